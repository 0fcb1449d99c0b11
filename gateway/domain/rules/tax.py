"""TAX: which taxes a line carries, and whether they come to what its rate says."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from gateway.domain.rules.case import EXPORTS, HOME_SUPPLIES, SEZ_SUPPLIES, Case
from gateway.domain.rules.line import Line
from gateway.domain.rules.patches import mended_line
from gateway.domain.rules.reading import NOUGHT, written
from gateway.domain.rules.row import Rule, Scope, Severity
from gateway.domain.rules.taxation import full_tax, half_tax, near, rounded
from gateway.domain.rules.tolerance import RUPEE, RUPEE_BEYOND_THE_WHOLE, TO_THE_PAISA


def igst_within_a_state(line: Line, case: Case) -> bool:
    """Seller and place of supply are in one state, and the line carries IGST."""
    return line.sound and line.igst > NOUGHT and case.taxation.intra is True


def state_tax_between_states(line: Line, case: Case) -> bool:
    """Seller and place of supply are in two states, and the line carries CGST or SGST."""
    return _has_state_tax(line) and case.taxation.intra is False and case.supply in HOME_SUPPLIES


def state_tax_to_a_zone(line: Line, case: Case) -> bool:
    """A supply to a special economic zone carries CGST or SGST."""
    return _has_state_tax(line) and case.supply in SEZ_SUPPLIES


def state_tax_on_an_export(line: Line, case: Case) -> bool:
    """An export carries CGST or SGST."""
    return _has_state_tax(line) and case.supply in EXPORTS


def state_tax_is_missing(line: Line, case: Case) -> bool:
    """A supply within one state carries neither CGST nor SGST, though its rate asks for it."""
    if not line.sound or line.tax or not case.taxation.intra:
        return False
    return case.taxation.judges(line) and not near(NOUGHT, half_tax(line.taxable, line.rate))


def cgst_differs(line: Line, case: Case) -> bool:
    """CGST is not half of the rate."""
    return _is_halved(line, case) and not near(line.cgst, half_tax(line.taxable, line.rate))


def sgst_differs(line: Line, case: Case) -> bool:
    """SGST is not half of the rate."""
    return _is_halved(line, case) and not near(line.sgst, half_tax(line.taxable, line.rate))


def halves_differ(line: Line, case: Case) -> bool:
    """CGST and SGST differ by more than a rupee, and neither is told to differ from its half of the rate."""
    return _are_near_their_halves(line, case) and abs(line.cgst - line.sgst) > RUPEE


def halves_differ_a_little(line: Line, case: Case) -> bool:
    """CGST and SGST differ by up to a rupee."""
    if not _are_near_their_halves(line, case) or abs(line.cgst - line.sgst) > RUPEE:
        return False
    return not TO_THE_PAISA.accepts(line.cgst, line.sgst)


def igst_differs(line: Line, case: Case) -> bool:
    """IGST is not what the rate says. Where tax may be left out, none is right as well."""
    taxation = case.taxation
    if taxation.intra is not False or not taxation.judges(line) or line.cgst or line.sgst:
        return False
    return not (taxation.untaxed and not line.igst) and not near(line.igst, full_tax(line.taxable, line.rate))


def cess_differs(line: Line, case: Case) -> bool:
    """Cess by value is not what its rate says."""
    if not line.cess and not line.cess_rate:
        return False
    return case.taxation.judges(line) and not near(line.cess, full_tax(line.taxable, line.cess_rate))


def state_cess_differs(line: Line, case: Case) -> bool:
    """State cess by value is not what its rate says."""
    if not line.state_cess and not line.state_cess_rate:
        return False
    return case.taxation.judges(line) and not near(line.state_cess, full_tax(line.taxable, line.state_cess_rate))


def taxed_without_payment(line: Line, case: Case) -> bool:
    """IGST on a supply that is said to be without payment of tax."""
    return line.sound and line.igst > NOUGHT and case.taxation.untaxed


def _has_state_tax(line: Line) -> bool:
    return line.sound and (line.cgst > NOUGHT or line.sgst > NOUGHT)


def _has_halves(line: Line, case: Case) -> bool:
    return case.taxation.intra is True and _has_state_tax(line) and not line.igst


def _are_near_their_halves(line: Line, case: Case) -> bool:
    return _has_halves(line, case) and not cgst_differs(line, case) and not sgst_differs(line, case)


def _is_halved(line: Line, case: Case) -> bool:
    return _has_halves(line, case) and case.taxation.judges(line)


def _compared(
    given: Callable[[Line], Decimal],
    rate: Callable[[Line], Decimal],
    exact: Callable[[Decimal, Decimal], Decimal],
) -> Callable[[Line, Case], str]:
    """What is said of a tax that differs: what it is, and what its rate makes of the taxable value."""

    def facts(line: Line, _: Case) -> str:
        due, percent = exact(line.taxable, rate(line)), written(rate(line))
        share = "half of " if exact is half_tax else ""
        asked = f"{share}{percent} % of {written(line.taxable)} is {written(rounded(due))}"
        return f"It is {written(given(line))}; {asked}."

    return facts


_CHECK_PLACE: Final = "Check the place of supply and the seller's state first; then charge"

RULES: Final = (
    Rule(
        code="GSP-TAX-01",
        at="IgstAmt",
        sentence="The line carries IGST, though seller and place of supply are in one state.",
        help=f"{_CHECK_PLACE} CGST and SGST, half of the rate each. A developer of a SEZ may say that it is meant so.",
        broken=igst_within_a_state,
        scope=Scope.LINE,
        portal_code="2172",
        source="NIC, error 2172",
        allowable=True,
        fix=mended_line("IgstAmt"),
    ),
    Rule(
        code="GSP-TAX-02",
        at="CgstAmt",
        sentence="The line carries CGST or SGST, though seller and place of supply are in two states.",
        help=f"{_CHECK_PLACE} IGST.",
        broken=state_tax_between_states,
        scope=Scope.LINE,
        portal_code="2174",
        source="NIC, error 2174",
        fix=mended_line("CgstAmt"),
    ),
    Rule(
        code="GSP-TAX-03",
        at="CgstAmt",
        sentence="The line carries CGST or SGST, though it goes to a special economic zone.",
        help="Charge IGST.",
        broken=state_tax_to_a_zone,
        scope=Scope.LINE,
        portal_code="2237",
        source="NIC, error 2237",
        fix=mended_line("CgstAmt"),
    ),
    Rule(
        code="GSP-TAX-04",
        at="CgstAmt",
        sentence="The line carries CGST or SGST, though it is exported.",
        help="Charge IGST, or no tax on an export without payment.",
        broken=state_tax_on_an_export,
        scope=Scope.LINE,
        portal_code="2180",
        source="NIC, error 2180",
        fix=mended_line("CgstAmt"),
    ),
    Rule(
        code="GSP-TAX-05",
        at="CgstAmt",
        sentence="CGST and SGST of the line are missing.",
        help="Add both, half of the rate each.",
        broken=state_tax_is_missing,
        scope=Scope.LINE,
        portal_code="2241",
        source="NIC, error 2241",
        tolerance=RUPEE_BEYOND_THE_WHOLE,
        fix=mended_line("CgstAmt"),
    ),
    Rule(
        code="GSP-TAX-06",
        at="CgstAmt",
        sentence="The CGST of the line is not half of its rate.",
        help="Correct the amount, the rate or the taxable value.",
        broken=cgst_differs,
        scope=Scope.LINE,
        portal_code="2234",
        source="NIC, error 2234",
        tolerance=RUPEE_BEYOND_THE_WHOLE,
        facts=_compared(lambda line: line.cgst, lambda line: line.rate, half_tax),
        fix=mended_line("CgstAmt"),
    ),
    Rule(
        code="GSP-TAX-07",
        at="SgstAmt",
        sentence="The SGST of the line is not half of its rate.",
        help="Correct the amount, the rate or the taxable value.",
        broken=sgst_differs,
        scope=Scope.LINE,
        portal_code="2234",
        source="NIC, error 2234",
        tolerance=RUPEE_BEYOND_THE_WHOLE,
        facts=_compared(lambda line: line.sgst, lambda line: line.rate, half_tax),
        fix=mended_line("SgstAmt"),
    ),
    Rule(
        code="GSP-TAX-08",
        at="SgstAmt",
        sentence="CGST and SGST of the line differ.",
        help="Make them equal.",
        broken=halves_differ,
        scope=Scope.LINE,
        portal_code="2227",
        source="NIC, error 2227; a rupee between them is passed, because nothing says that it is not",
        fix=mended_line("SgstAmt"),
    ),
    Rule(
        code="GSP-TAX-09",
        at="SgstAmt",
        sentence="CGST and SGST of the line differ by a little.",
        help="Make them equal; the portal may ask for it.",
        broken=halves_differ_a_little,
        scope=Scope.LINE,
        severity=Severity.WARNING,
        source="NIC, error 2227",
        tolerance=TO_THE_PAISA,
    ),
    Rule(
        code="GSP-TAX-10",
        at="IgstAmt",
        sentence="The IGST of the line is not what its rate says.",
        help="Correct the amount, the rate or the taxable value.",
        broken=igst_differs,
        scope=Scope.LINE,
        portal_code="2235",
        source="NIC, error 2235",
        tolerance=RUPEE_BEYOND_THE_WHOLE,
        facts=_compared(lambda line: line.igst, lambda line: line.rate, full_tax),
        fix=mended_line("IgstAmt"),
    ),
    Rule(
        code="GSP-TAX-11",
        at="CesAmt",
        sentence="The cess of the line is not what its rate says.",
        help="Correct the amount or the rate; cess by quantity belongs into CesNonAdvlAmt.",
        broken=cess_differs,
        scope=Scope.LINE,
        portal_code="2266",
        source="NIC, error 2266",
        tolerance=RUPEE_BEYOND_THE_WHOLE,
        facts=_compared(lambda line: line.cess, lambda line: line.cess_rate, full_tax),
        fix=mended_line("CesAmt"),
    ),
    Rule(
        code="GSP-TAX-12",
        at="StateCesAmt",
        sentence="The state cess of the line is not what its rate says.",
        help="Correct the amount or the rate; cess by quantity belongs into StateCesNonAdvlAmt.",
        broken=state_cess_differs,
        scope=Scope.LINE,
        portal_code="2267",
        source="NIC, error 2267",
        tolerance=RUPEE_BEYOND_THE_WHOLE,
        facts=_compared(lambda line: line.state_cess, lambda line: line.state_cess_rate, full_tax),
        fix=mended_line("StateCesAmt"),
    ),
    Rule(
        code="GSP-TAX-13",
        at="IgstAmt",
        sentence="The line carries IGST, though the supply is said to be without payment of tax.",
        help="Leave the tax out, or correct the type of supply; the portal takes both.",
        broken=taxed_without_payment,
        scope=Scope.LINE,
        severity=Severity.WARNING,
        source="NIC, validation rules: IGST of SEZWOP and EXPWOP is not held to nought",
    ),
)

"""What the clients of a simulated world want, and what other programs do behind the gateway's back.

A paper is one document with the fate that is arranged for it. An ask is one request of a client about a paper: the
first one, a repeat with the same key, the same document under another key, a number in other letters, other content.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from gateway.domain import canonical, strict_json
from gateway.domain.calendar import indian_date, write_portal_date
from gateway.domain.identifiers import gstin_check_digit
from gateway.sandbox import master

_SELLERS = ("29AAACM0101A1Z", "29AAACM0102B1Z", "29AAACM0103C1Z", "29AAACM0104D1Z")
SELLERS = tuple(first_fourteen + gstin_check_digit(first_fourteen) for first_fourteen in _SELLERS)
"""All of Karnataka, as in the documents."""
_PINS = {"27": 400001, "29": 560001, "33": 600001}
"""A PIN code for each state that a buyer may be in."""
DEADLINE_SELLER = SELLERS[-1]
"""The one whose documents have to be reported within REPORTING_DAYS."""
REPORTING_DAYS = 30
DOCUMENTS = Path(__file__).parents[1] / "documents"
_BASES = {
    name: strict_json.read((DOCUMENTS / f"{name}.json").read_bytes()) for name in ("minimal", "with_ewb", "credit_note")
}


class Fate(StrEnum):
    """What is arranged for a paper."""

    PLAIN = "plain"
    REFUSED = "refused"
    """The portal refuses it, whenever it comes."""
    EVE = "eve"
    """Of a day that has begun here but not yet at the portal, whose clock is behind: refused before, taken after."""
    FOREIGN = "foreign"
    """Another program has registered other content under the number."""
    ELSEWHERE = "elsewhere"
    """Another program has registered the very same document."""
    RACE = "race"
    """Another program registers other content while we are at it."""
    DEADLINE = "deadline"
    """Its legal window closes while it waits."""
    WITHDRAWN = "withdrawn"
    """Its client tries to take it back."""


class Want(StrEnum):
    """What a client asks for an IRN afterwards."""

    CANCEL = "cancel"
    BILL = "bill"


_FATES = {
    Fate.PLAIN: 10,
    Fate.REFUSED: 3,
    Fate.EVE: 3,
    Fate.FOREIGN: 1.5,
    Fate.ELSEWHERE: 1,
    Fate.RACE: 1,
    Fate.DEADLINE: 2,
    Fate.WITHDRAWN: 1.5,
}
_REFUSED_BUYERS = (master.CANCELLED_TAXPAYER, master.INACTIVE_TAXPAYER, master.NEW_TAXPAYER)


@dataclass(frozen=True, slots=True)
class Paper:
    """One document and its fate. `other` has the same number and says something else."""

    fate: Fate
    document: dict[str, Any]
    other: dict[str, Any]

    @property
    def gstin(self) -> str:
        """The seller."""
        return str(self.document["SellerDtls"]["Gstin"])

    @property
    def doc_type(self) -> str:
        """INV, CRN or DBN."""
        return str(self.document["DocDtls"]["Typ"])

    @property
    def irn(self) -> str:
        """The IRN, computed without the gateway's help."""
        details = self.document["DocDtls"]
        _, month, year = (int(part) for part in details["Dt"].split("/"))
        first = year if month >= 4 else year - 1
        text = f"{self.gstin}{first}-{(first + 1) % 100:02}{self.doc_type}{details['No'].upper()}"
        return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(slots=True)
class Ask:
    """One request, made again until it is answered. `answer` is an operation's id, or the code of a refusal."""

    paper: Paper
    document: dict[str, Any]
    client: int
    key: str | None
    direct: bool
    at: datetime
    answer: str | None = None

    @property
    def digest(self) -> str:
        """What the document says, in one number."""
        return canonical.digest(self.document)


@dataclass(slots=True)
class Wish:
    """What is asked for the IRN of a paper, so long after the paper was first accepted. `answer` is as in `Ask`."""

    paper: Paper
    want: Want
    client: int
    direct: bool
    after: timedelta
    answer: str | None = None


@dataclass(slots=True)
class Plan:
    """Everything that is wanted of one world."""

    papers: list[Paper] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    foreign: list[tuple[datetime, Paper, dict[str, Any]]] = field(default_factory=list)
    withdrawals: list[tuple[datetime, Paper]] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When things are: the day begins here at `midnight` and at the portal, whose clock is behind, later."""

    start: datetime
    midnight: datetime
    portal_midnight: datetime
    calm_at: datetime

    @property
    def coming_day(self) -> date:
        """The day that begins at midnight."""
        return indian_date(self.midnight)

    def asking(self, fate: Fate) -> tuple[datetime, datetime]:
        """From when to when a paper is asked for."""
        if fate is Fate.EVE:
            return self.midnight, self.portal_midnight
        if fate is Fate.DEADLINE:
            return self.start, self.midnight
        return self.start, self.start + (self.calm_at - self.start) * 0.6


def draw(rng: random.Random, times: Times, *, documents: int, eves: bool, wishes: bool) -> Plan:
    """A plan for so many documents. `eves` makes all of them papers of the coming day; `wishes` asks more of most."""
    plan = Plan()
    taken: set[str] = set()
    while len(plan.papers) < documents:
        fate = Fate.EVE if eves else rng.choices(list(_FATES), list(_FATES.values()))[0]
        paper = paper_of(rng, fate, times.coming_day)
        want = rng.choice([None, Want.CANCEL, Want.CANCEL, Want.BILL, Want.BILL]) if wishes else None
        paper = without_bill(paper) if want is Want.BILL else paper
        if paper.irn not in taken:
            taken.add(paper.irn)
            plan.papers.append(paper)
            _arrange(rng, plan, paper, times)
            if want is not None:
                _wish(rng, plan, paper, want)
    plan.asks.sort(key=lambda ask: ask.at)
    return plan


def _arrange(rng: random.Random, plan: Plan, paper: Paper, times: Times) -> None:
    earliest, latest = times.asking(paper.fate)
    first = _between(rng, earliest, latest)
    client, direct, key = rng.randrange(2), rng.random() < 0.3, rng.choice([None, f"key-{rng.getrandbits(40)}"])
    plan.asks.append(Ask(paper, paper.document, client, key, direct, first))
    for _ in range(rng.choices([0, 1, 2], [6, 3, 1])[0]):
        at = _between(rng, earliest, latest)
        repeat = _repeat(rng, paper, Ask(paper, paper.document, client, key, direct, at))
        plan.asks += [repeat] if rng.random() < 0.5 else [repeat, replace(repeat, at=_between(rng, at, latest))]
    if paper.fate in (Fate.FOREIGN, Fate.ELSEWHERE):
        plan.foreign.append((times.start, paper, paper.other if paper.fate is Fate.FOREIGN else paper.document))
    if paper.fate is Fate.RACE:
        plan.foreign.append((_between(rng, first, first + timedelta(minutes=2)), paper, paper.other))
    if paper.fate is Fate.WITHDRAWN:
        plan.withdrawals.append((_between(rng, first, first + timedelta(minutes=5)), paper))


def _wish(rng: random.Random, plan: Plan, paper: Paper, want: Want) -> None:
    """At once, while its registration is open, or later; now and then both, each in the other's way."""
    wants = [want, *([Want.CANCEL] if want is Want.BILL and rng.random() < 0.3 else [])]
    for each in wants:
        after = timedelta(seconds=rng.choice([0, rng.uniform(0, 60), rng.uniform(60, 7200)]))
        for _ in range(rng.choice([1, 1, 2])):
            plan.wishes.append(Wish(paper, each, rng.randrange(2), rng.random() < 0.3, after))


def without_bill(paper: Paper) -> Paper:
    """A paper that does not ask for an e-way bill itself."""
    document, other = ({**each} for each in (paper.document, paper.other))
    document.pop("EwbDtls", None)
    other.pop("EwbDtls", None)
    return Paper(paper.fate, document, other)


def _repeat(rng: random.Random, paper: Paper, ask: Ask) -> Ask:
    """A second request about a paper, and how it differs from the first."""
    way = rng.choice(["same", "same", "other key", "other key", "other letters", "other content", "key for another"])
    if way in ("other key", "other letters", "other content"):
        ask.client, ask.key = rng.randrange(2), rng.choice([None, f"key-{rng.getrandbits(40)}"])
    if way == "other letters":
        ask.document = in_other_letters(paper.document)
    if way in ("other content", "key for another"):
        ask.document = paper.other
    return ask


def paper_of(rng: random.Random, fate: Fate, today: date) -> Paper:
    """A paper for a fate, of some seller, number and kind."""
    base = "credit_note" if fate is Fate.REFUSED else rng.choices(["minimal", "with_ewb", "credit_note"], [4, 3, 3])[0]
    doc_type = rng.choice(["CRN", "DBN"]) if base == "credit_note" else "INV"
    doc_date = write_portal_date(_doc_date(rng, fate, today))
    seller = DEADLINE_SELLER if fate is Fate.DEADLINE else rng.choice(SELLERS[:-1])
    document = _with(_BASES[base], "DocDtls", Typ=doc_type, No=f"Sim/{rng.randint(1, 40)}", Dt=doc_date)
    document = _with(document, "SellerDtls", Gstin=seller)
    if fate is Fate.REFUSED:
        buyer = rng.choice(_REFUSED_BUYERS)
        state = buyer.gstin[:2]  # the place of supply stays, and with it the taxes
        document = _with(document, "BuyerDtls", Gstin=buyer.gstin, Stcd=state, Pin=_PINS[state])
    if "EwbDtls" in document:
        document = _with(document, "EwbDtls", TransDocDt=doc_date)
    if "RefDtls" in document:
        document = _with(document, "RefDtls", PrecDocDtls=[{"InvNo": "Sim/0", "InvDt": doc_date}])
    return Paper(fate, document, _with(document, "BuyerDtls", LglNm="Another Buyer Private Limited"))


def in_other_letters(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with capitals for small letters in its number, and the other way round."""
    return _with(document, "DocDtls", No=document["DocDtls"]["No"].swapcase())


def _doc_date(rng: random.Random, fate: Fate, today: date) -> date:
    match fate:
        case Fate.EVE:
            return today
        case Fate.DEADLINE:
            return today - timedelta(days=REPORTING_DAYS)
        case Fate.REFUSED:  # after one buyer was cancelled, before another was registered
            return date(2025, 9, 15)
        case _:
            return today - timedelta(days=rng.randint(1, 20))


def _with(document: Mapping[str, Any], part: str, **members: Any) -> dict[str, Any]:
    return {**document, part: document[part] | members}


def _between(rng: random.Random, first: datetime, last: datetime) -> datetime:
    return first + (last - first) * rng.random()

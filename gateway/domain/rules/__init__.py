"""What the portal would refuse in a document that has the right form, as a table of rows.

`check` asks every row that is in force. It is pure: the day, the code lists and what the ledger knows are told to it.
"""

from gateway.domain.rules.context import NOTHING_EARLIER, Context, Earlier, EarlierKey, Verdict, earlier_key
from gateway.domain.rules.engine import FAULTS_MAX, RULES, check
from gateway.domain.rules.lists import CodeLists
from gateway.domain.rules.row import Counted, Rule, Scope, Severity

__all__ = [
    "FAULTS_MAX",
    "NOTHING_EARLIER",
    "RULES",
    "CodeLists",
    "Context",
    "Counted",
    "Earlier",
    "EarlierKey",
    "Rule",
    "Scope",
    "Severity",
    "Verdict",
    "check",
    "earlier_key",
]

# SPDX-License-Identifier: ISC
"""The auditor: reads what was said on a connection, and finds each breach of the protocol by the client.

`RULES` lists the rules; each names its section of an RFC. The server is not judged.
"""

from collections.abc import Container

# The order of these imports is the order of the rules.
from mocksrv.audit import commands, paths, parameters, order, message, chunks, tls  # noqa: F401
from mocksrv.audit.conversation import converse
from mocksrv.audit.rules import CHECKS, RULES, Finding, Grade, Rule
from mocksrv.audit.show import findings_text, rules_text
from mocksrv.play.tape import Tape

__all__ = ["RULES", "Finding", "Grade", "Rule", "audit", "findings_text", "rules_text"]


def audit(tape: Tape, rules: Container[str] = RULES) -> list[Finding]:
    """The breaches of the rules (those with the IDs given) by the client, in the order in which they happened."""
    talk = converse(tape)
    findings = []
    for name, check in CHECKS.items():
        for one in check(talk) if name in rules else ():
            event, offset = talk.place(one.at) if one.event is None else (one.event, 0)
            findings.append(Finding(RULES[name], event, offset, tape.events[event].line, one.evidence, one.what))
    return sorted(findings, key=lambda finding: (finding.event, finding.offset))

# SPDX-License-Identifier: ISC
"""Which dialogue a connection belongs to."""

import ipaddress

from mocksrv.case.file import Case
from mocksrv.case.script import CaseError
from mocksrv.case.steps import Dialogue
from mocksrv.world import sandbox


class UnexpectedConnection(Exception):
    """An attempt to connect that no dialogue allows."""


class Claims:
    """The dialogues that are still to happen."""

    def __init__(self, case: Case) -> None:
        """Raises CaseError if a host has no address."""
        self.hosts = {dialogue.line: _addresses(case, dialogue) for dialogue in case.dialogues}
        self._ordered = case.ordered
        self._never = [dialogue for dialogue in case.dialogues if dialogue.never]
        self.pending = [dialogue for dialogue in case.dialogues if not dialogue.never]
        self._check_places(case)

    def claim(self, address: str, port: int) -> Dialogue | None:
        """The dialogue that an attempt begins, which is then no longer pending. Raises UnexpectedConnection."""
        due = self.pending[:1] if self._ordered else self.pending
        for dialogue in due:
            if self._fits(dialogue, address, port):
                self.pending.remove(dialogue)
                return dialogue
        self._check_never(address, port)
        what = _what(address, port)
        if due:
            raise UnexpectedConnection(f"{what}; next is {' or '.join(one.where for one in due)} (line {due[0].line})")
        raise UnexpectedConnection(f"{what}, but no dialogue is left")

    def _check_never(self, address: str, port: int) -> None:
        if any(self._fits(dialogue, address, port) for dialogue in self._never):
            raise UnexpectedConnection(f"{_what(address, port)}, which must never happen")

    def _check_places(self, case: Case) -> None:
        """Checks that no server talks at an address where connections are refused or hang."""
        places = {
            (address, dialogue.port): dialogue
            for dialogue in self.pending if not dialogue.refused and not dialogue.unanswered
            for address in self.hosts[dialogue.line]
        }  # fmt: skip
        for dialogue in self.pending:
            for address in self.hosts[dialogue.line] if dialogue.refused or dialogue.unanswered else ():
                if other := places.get((address, dialogue.port)):
                    what = f"{dialogue.steps[0].source} applies to every connection to this address"
                    what += f", also to that of line {other.line}"
                    raise CaseError(f"{case.path}:{dialogue.line}: {what}")

    def _fits(self, dialogue: Dialogue, address: str, port: int) -> bool:
        return address in self.hosts[dialogue.line] and port == dialogue.port


class LooseClaims(Claims):
    """For clients that make any number of connections, in any order.

    The nth connection to a host gets its nth dialogue; all further ones get its last.
    """

    def claim(self, address: str, port: int) -> Dialogue | None:
        """None if no dialogue is at this address: nobody listens there. Raises UnexpectedConnection for `never`."""
        self._check_never(address, port)
        fitting = [dialogue for dialogue in self.pending if self._fits(dialogue, address, port)]
        if len(fitting) > 1:
            self.pending.remove(fitting[0])
        return next(iter(fitting), None)


def _what(address: str, port: int) -> str:
    return f"the client connects to {address} port {port}"


def _addresses(case: Case, dialogue: Dialogue) -> list[str]:
    """The addresses at which a dialogue's host can be reached."""
    try:
        return [str(ipaddress.ip_address(dialogue.host))]
    except ValueError:
        pass
    found = [address for server in case.servers for address in server.zone.addresses(dialogue.host)]
    local = case.meta.get("address", [])
    known = [str(ipaddress.ip_address(one)) for one in found if is_reachable(one) or one in local]
    if not known:
        raise CaseError(f"{case.path}:{dialogue.line}: dns has no reachable address for {dialogue.host}")
    return list(dict.fromkeys(known))


def is_reachable(address: str) -> bool:
    """Whether the sandbox has a route to an address."""
    networks = (*sandbox.NETWORKS, "127.0.0.0/8", "::1/128")
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks)

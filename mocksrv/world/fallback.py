# SPDX-License-Identifier: ISC
"""Without a sandbox: the few cases that can be played on free ports of 127.0.0.1, adapted to that.

The client finds our DNS through `dnsservers`, and the one dialogue through `smtproutes`.
"""

import dataclasses
import os

import dns.rdatatype
import dns.rrset

from mocksrv.case.file import Case, Control
from mocksrv.case.octets import encode
from mocksrv.case.steps import SMTP_PORT, Dialogue
from mocksrv.case.zone import Zone

LOCALHOST = "127.0.0.1"


class Unplayable(Exception):
    """Why a case needs a sandbox."""


def localised(case: Case) -> Case:
    """The case with its one server moved to a free port of 127.0.0.1. Raises Unplayable."""
    dialogue = _only_dialogue(case)
    _check(case)
    zone = case.servers[0].zone
    addresses = zone.addresses(dialogue.host)
    if len(addresses) != 1 or ":" in addresses[0]:
        raise Unplayable(f"{dialogue.host} is not one IPv4 address")
    server = dataclasses.replace(case.servers[0], port=0, zone=_moved(zone))
    report = case.report and case.report.replace(encode(f"[{addresses[0]}]"), encode(f"[{LOCALHOST}]"))
    moved = dataclasses.replace(dialogue, port=0)
    return dataclasses.replace(case, servers=[server], dialogues=[moved], report=report)


def routed(case: Case, dns_port: int, smtp_port: int) -> Case:
    """The case with control files that send the client to our ports, which its reports name."""
    routes = encode(f":{case.dialogues[0].host}:{smtp_port}\n")
    servers = encode(f"{LOCALHOST}:{dns_port}\n")
    control = case.control | {"smtproutes": Control(routes), "dnsservers": Control(servers)}
    here = encode(f"[{LOCALHOST}]")
    report = case.report and case.report.replace(here, here + encode(f":{smtp_port}"))
    return dataclasses.replace(case, control=control, report=report)


def addressed(case: Case, smtp_port: int) -> Case:
    """For a client that does not know `dnsservers`, or is given a server: our address takes the place of its name."""
    here = dataclasses.replace(case.dialogues[0], host=LOCALHOST, port=smtp_port)
    control = case.control | {"smtproutes": Control(encode(f":[{LOCALHOST}]:{smtp_port}\n"))}
    return dataclasses.replace(case, control=control, dialogues=[here])


def _only_dialogue(case: Case) -> Dialogue:
    match case.dialogues:
        case [Dialogue(never=False, port=port) as only] if not only.refused and not only.unanswered:
            if port != SMTP_PORT:
                raise Unplayable(f"the client must find port {port} itself")
            return only
    raise Unplayable("it does not consist of one connection")


def _check(case: Case) -> None:
    for name in ("smtproutes", "smtproutes.d", "dnsservers"):
        if any(file.split("/")[0] == name for file in case.control):
            raise Unplayable(f"it has its own {name}")
    if case.meta.get("address"):
        raise Unplayable("it puts addresses on an interface")
    if len(case.servers) != 1:
        raise Unplayable("it has no DNS server, or several")
    zone = case.servers[0].zone
    exchangers = sum(len(records) for (_, kind), records in zone.records.items() if kind == dns.rdatatype.MX)
    if case.dns_log is not None or zone.faults or zone.delays or exchangers > 1:
        raise Unplayable("it is about DNS")
    if any(control.manner == "unreadable" for control in case.control.values()) and os.getuid() == 0:
        raise Unplayable("no file is unreadable for root")


def _moved(zone: Zone) -> Zone:
    """The zone with every A record pointing to 127.0.0.1."""
    records = dict(zone.records)
    for owner, kind in zone.records:
        if kind == dns.rdatatype.A:
            records[owner, kind] = dns.rrset.from_text(owner, 300, "IN", "A", LOCALHOST)
    return Zone(records)

# SPDX-License-Identifier: ISC
"""Cases that differ only in their message: one template makes a case for each message of the corpus.

A folder with the file `each-message.template` has a case NAME.case for each message NAME.eml of the corpus; a file
NAME.case takes its place. `{name}`, `{size}` and `{body}` in the template stand for the name of the message, for the
number of octets that SIZE and BDAT announce, and for the parameter BODY of MAIL where 8BITMIME is offered.
"""

from collections.abc import Iterator
from pathlib import Path

from mocksrv.case import corpus
from mocksrv.case.octets import canonical, decode

TEMPLATE = "each-message.template"


def find_cases(place: Path) -> list[Path]:
    """The paths of all cases below a folder, including those made from templates, which are not files; or a case."""
    made = (path for template in place.rglob(TEMPLATE) for path in made_by(template))
    return [place] if place.is_file() else sorted([*place.rglob("*.case"), *made])


def made_by(template: Path) -> Iterator[Path]:
    """The paths of the cases made from a template."""
    for message in sorted(corpus.find(template, "messages").glob("*.eml")):
        path = template.with_name(f"{message.stem}.case")
        if not path.exists():
            yield path


def case_text(path: Path) -> str:
    """The text of a case: its file, or made from the template beside it. Raises OSError if there is neither."""
    template = path.with_name(TEMPLATE)
    message = corpus.find(path, f"messages/{path.stem}.eml")
    if path.exists() or not template.exists() or not message.exists():
        return decode(path.read_bytes())
    return filled(decode(template.read_bytes()), path.stem, message.read_bytes())


def filled(text: str, name: str, octets: bytes) -> str:
    """The text of a template, filled in for a message."""
    body = "" if octets.isascii() else " BODY=8BITMIME"
    for hole, what in (("{name}", name), ("{size}", str(len(canonical(octets)))), ("{body}", body)):
        text = text.replace(hole, what)
    return text

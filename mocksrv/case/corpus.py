# SPDX-License-Identifier: ISC
"""The corpus that comes with mocksrv, and what a case sees of the corpus that it is in."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
CORPUS = next((place for place in (_PACKAGE / "fixtures", _PACKAGE.parent / "fixtures") if place.is_dir()), _PACKAGE)
CASES = CORPUS / "cases"


def find(case: Path, name: str) -> Path:
    """What has this name in the nearest directory above a case, or in `fixtures` there; else in our corpus."""
    above = (place for one in case.absolute().parents for place in (one, one / "fixtures"))
    return next((place / name for place in above if (place / name).exists()), CORPUS / name)


def case_named(told: str) -> Path:
    """The path of a case as people name it: by a path, or by the TOPIC/NAME of one of ours."""
    path = Path(told)
    is_ours = len(path.parts) == 2 and path.suffix != ".case" and not path.exists() and (CASES / path.parent).is_dir()
    return CASES / f"{told}.case" if is_ours else path


def told(path: Path) -> str:
    """What people type to name a case: the opposite of `case_named`."""
    return str(path.relative_to(CASES).with_suffix("")) if path.is_relative_to(CASES) else str(path)

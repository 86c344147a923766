# SPDX-License-Identifier: ISC
"""A copy of the program with modules of its own, and all that can be wrong with one of them."""

import os
import shutil
import subprocess

from mocksrv.world import sandbox
from mocksrv.world.home import default_program
from testsuite.peer import Outcome

STATES = ["beside", "missing", "spoilt", "of another build"]


def alone(**states: str) -> None:
    """Further deliveries of this process are made by a copy that finds these modules beside it, each in one of STATES."""
    directory = sandbox.SCRATCH / "bin"
    directory.mkdir()
    for name, state in states.items():
        module = directory / f"qremote-{name}.so"
        if state == "beside":
            shutil.copy(default_program().with_name(module.name), module)
        elif state == "spoilt":
            module.write_bytes(b"no module")
        elif state == "of another build":
            source = directory / "foreign.c"
            source.write_text("const unsigned qremote_module[16] = {4711};\n")
            subprocess.run(["cc", "-shared", "-fPIC", "-o", module, source], check=True)
    os.environ["QREMOTE"] = str(shutil.copy(default_program(), directory / "qmail-remote"))


def judge(outcome: Outcome, name: str, state: str) -> None:
    """Whether a delivery that needs a module in this state ended as it must."""
    if state == "beside":
        assert outcome.letters == "rK", outcome
        return
    trouble = "use" if state == "of another build" else "load"
    assert outcome.letters == "Z" and f"Qremote cannot {trouble} its {name} module: " in outcome.report, outcome
    assert "(#4.3.0)" in outcome.report

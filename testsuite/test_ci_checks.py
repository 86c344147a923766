# SPDX-License-Identifier: ISC
"""The checks of ci/ have teeth: each accepts a correct little source tree, and refuses it with one fault.

And `make ci` has them: what it needs is there.
"""

import subprocess
from pathlib import Path

import pytest

from mocksrv.world import sandbox

CI = Path(__file__).parent.parent / "ci"

LAYERS = """\
# a remark
---- program
main
---- pure
route
---- ground
base/buf
"""
MAIN = '#include "base/buf.h"\n#include "route.h"\n\n#include <unistd.h>\n\nint main(void)\n{\n\treturn route(getpid());\n}\n'
ROUTE = '#include "route.h"\n\n#include "base/buf.h"\n\nint route(int n)\n{\n\treturn buf(n) != NULL;\n}\n'
BUF = '#include "base/buf.h"\n\n#include <stdlib.h>\n\nvoid *buf(int n)\n{\n\treturn malloc((size_t)n);\n}\n'
SOUND = {
    "LAYERS": LAYERS,
    "main.c": MAIN,
    "route.c": ROUTE,
    "route.h": "int route(int n);\n",
    "base/buf.c": BUF,
    "base/buf.h": "#include <stddef.h>\nvoid *buf(int n);\n",
}


def run(check, *arguments):
    return subprocess.run([CI / check, *arguments], capture_output=True, text=True, check=False)


def write(directory, files):
    directory.mkdir()
    for name, text in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)
    return directory


def compiled(tmp_path, files):
    """Writes the files into src and compiles them as the Makefile does; returns both directories."""
    src, obj = write(tmp_path / "src", files), tmp_path / "obj"
    obj.mkdir()
    for file in src.rglob("*.c"):
        command = ["cc", "-O2", "-fPIE", "-D_FORTIFY_SOURCE=2", "-fstack-protector-strong", "-iquote", src, "-c", file]
        made = (obj / file.relative_to(src)).with_suffix(".o")
        made.parent.mkdir(exist_ok=True)
        subprocess.run([*command, "-o", made], check=True)
    return src, obj


def accepts(result):
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def refuses(result, *words):
    output = result.stdout + result.stderr
    assert result.returncode == 1, output
    assert all(word in output for word in words), output
    assert "Traceback" not in output


def test_layers_accept_what_points_down(tmp_path):
    accepts(run("check-layers", write(tmp_path / "src", SOUND)))


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("base/buf.c", BUF + '#include "route.h"\n', "buf.c:9: route.h"),
        ("base/buf.h", '# include "main.h"\n', "buf.h:1: main.h"),
        ("route.c", '#include "stray.h"\n', "route.c:1: stray.h"),
        ("route.c", '#include "../src/main.h"\n', "route.c:1: ../src/main.h"),
        ("base/stray.c", "", "base/stray.c: is not in"),
        ("stray.h", "", "stray.h: is not in"),
        ("LAYERS", LAYERS + "gone\n", "gone has no gone.c"),
    ],
)
def test_layers_refuse(tmp_path, file, text, complaint):
    refuses(run("check-layers", write(tmp_path / "src", SOUND | {file: text})), complaint)


def test_globals_accept_constants(tmp_path):
    table = 'static const char *const names[] = {"a", "b"};\nconst char *const *table(void)\n{\n\treturn names;\n}\n'
    accepts(run("check-globals", compiled(tmp_path, {"route.c": "const int limit = 5;\n" + table})[1]))


@pytest.mark.parametrize(
    "variable",
    [
        "int offender;",
        "int offender = 1;",
        "__attribute__((common)) int offender;",
        "_Thread_local int offender;",
        "_Thread_local int offender = 1;",
        'const char *offender[] = {"the pointers can be changed"};',
        "int count(void)\n{\n\tstatic int offender;\n\treturn ++offender;\n}",
    ],
)
def test_globals_refuse(tmp_path, variable):
    refuses(run("check-globals", compiled(tmp_path, {"route.c": variable + "\n"})[1]), "route.o", "offender", "mutable")


def test_globals_refuse_to_judge_nothing(tmp_path):
    assert run("check-globals", tmp_path).returncode != 0


def test_purity_accepts_pure_floors(tmp_path):
    accepts(run("check-purity", *compiled(tmp_path, SOUND)))


@pytest.mark.parametrize(
    ("file", "call", "symbol"),
    [
        ("route.c", "#include <time.h>\nlong f(void)\n{\n\treturn time(0);\n}\n", "time"),
        ("route.c", "#include <stdio.h>\nvoid f(void)\n{\n\tputs(__FILE__);\n}\n", "puts"),
        ("route.c", "#include <stdlib.h>\nvoid *f(void)\n{\n\treturn malloc(9);\n}\n", "malloc"),
        ("route.c", "int main(void);\nint f(void)\n{\n\treturn main();\n}\n", "main"),
        ("route.c", "int f(void)\n{\n\textern int errors;\n\treturn errors;\n}\n", "errors"),
        ("base/buf.c", "#include <unistd.h>\nint f(void)\n{\n\treturn getpid();\n}\n", "getpid"),
    ],
)
def test_purity_refuses(tmp_path, file, call, symbol):
    files = SOUND | {file: SOUND[file] + call}
    refuses(run("check-purity", *compiled(tmp_path, files)), f"{Path(file).stem}.o: {symbol} is not pure")


def test_purity_refuses_to_judge_nothing(tmp_path):
    src, obj = compiled(tmp_path, SOUND)
    (obj / "route.o").unlink()
    assert run("check-purity", src, obj).returncode != 0


def c_function(statements, parameters="void"):
    return f"static int\t*f({parameters})\n{{\n" + "\tn++;\n" * statements + "}\n"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.c", c_function(57)),  # 60 lines
        ("a.c", c_function(57) + "\n" + c_function(57)),
        ("a.c", c_function(1, "int a, int b,\n\tint (*c)(int, int, int, int), int d, int e")),
        ("a.c", "struct s {\n" + "\tint n;\n" * 100 + "};\n"),
        ("a.c", "\n" * 400),
        ("a.py", "def f():\n" + "    n = 1\n" * 59),
        ("a.py", "\n" * 450),
    ],
)
def test_functions_accept(tmp_path, file, text):
    accepts(run("check-functions", write(tmp_path / "src", {file: text})))


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("a.c", c_function(58), "a.c:1: f: 61 lines"),
        ("a.c", "/* about */\n" + c_function(58), "a.c:2: f: 61 lines"),
        ("a.c", "#define N 1\n\n" + c_function(1) + "\n" + c_function(58), "a.c:8: f: 61 lines"),
        ("a.c", "int a[] = {\n\t1,\n};\n\n" + c_function(58), "a.c:5: f: 61 lines"),
        ("a.c", c_function(1, "int a, int b, int c,\n\tint d, int e, int f"), "a.c:1: f: 6 parameters"),
        ("a.c", c_function(1, "int a, int b, int c, int d, int e, void (*f)(int)"), "a.c:1: f: 6 parameters"),
        ("a.c", "\n" * 401, "a.c: 401 lines"),
        ("a.h", "\n" * 401, "a.h: 401 lines"),
        ("a.py", "\ndef f():\n" + "    n = 1\n" * 60, "a.py:2: f: 61 lines"),
        ("a.py", "class C:\n    async def f(self):\n" + "        n = 1\n" * 60, "a.py:2: f: 61 lines"),
        ("a.py", "\n" * 451, "a.py: 451 lines"),
        ("README", "", "no sources"),
    ],
)
def test_functions_refuse(tmp_path, file, text, complaint):
    refuses(run("check-functions", write(tmp_path / "src", {file: text})), complaint)


@pytest.mark.slow
def test_ci_has_sandboxes() -> None:
    """Without them most tests are skipped, and a run that proves next to nothing looks like one in which all is well."""
    assert sandbox.available() is None

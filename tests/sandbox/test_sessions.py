"""State, echo and tracebacks of sessions, and whole programs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from preftree.sandbox.base import CellResult, ProgramResult
from preftree.sandbox.host import ProcessSandbox

Cells = Callable[..., list[CellResult]]
NOTHING = "[Executed Successfully with No Output]"


def test_state_is_kept_and_a_failed_cell_leaves_none(cells: Cells) -> None:
    results = cells("x = [1]", "x.append(2)\n1 / 0", "x", "x.append(3)", "import os\nx.clear()\nos._exit(0)", "x")
    assert [r.status for r in results] == ["ok", "error", "ok", "ok", "killed", "ok"]
    assert results[2].value == "[1]"
    assert results[5].value == "[1, 3]"


def test_a_crash_leaves_the_state(cells: Cells) -> None:
    crash, after = cells("import ctypes\nctypes.string_at(0)", "1")
    assert crash.status == "killed"
    assert "SIGSEGV" in crash.output
    assert after.status == "ok"


def test_a_session_begins_after_its_cells(sandbox: ProcessSandbox) -> None:
    async def body() -> list[CellResult]:
        async with sandbox.session(["x = 5\nprint('not shown')", "raise ValueError", "y = x + 1"]) as session:
            return [await session.run("print(x, y)"), await session.run("z")]

    state, missing = asyncio.run(body())
    assert state.output == "5 6"
    assert missing.error == "NameError"


@pytest.mark.parametrize(
    ("code", "output", "value"),
    [
        ("1 + 1", "Out: 2", "2"),
        ("x = 5\nx", "Out: 5", "5"),
        ("print(3)", "3", None),
        ("print('a')\n'b'", "a\nOut: 'b'", "b"),
        ("'b';", NOTHING, "b"),
        ("None", NOTHING, None),
        ("x = 1", NOTHING, None),
        ("", NOTHING, None),
        ("import sys\nprint('e', file=sys.stderr)\nprint('o')", "e\no", None),
        ("for i in range(2): print(i)", "0\n1", None),
        ("'é∑'", "Out: 'é∑'", "é∑"),
        ("import sympy\nsympy.Rational(1, 3) + sympy.sqrt(2)", "Out: 1/3 + sqrt(2)", "1/3 + sqrt(2)"),
    ],
)
def test_echo(cells: Cells, code: str, output: str, value: str | None) -> None:
    result = cells(code)[0]
    assert (result.status, result.output, result.error) == ("ok", output, None)
    if not code.endswith(";"):
        assert result.value == value


def test_traceback_has_the_notebook_form(cells: Cells) -> None:
    expected = (
        "before\n"
        "---------------------------------------------------------------------------\n"
        "ZeroDivisionError                         Traceback (most recent call last)\n"
        "Cell In[1], line 2\n"
        "      1 print('before')\n"
        "----> 2 1/0\n"
        "\n"
        "ZeroDivisionError: division by zero"
    )
    result = cells("print('before')\n1/0")[0]
    assert (result.status, result.error, result.output) == ("error", "ZeroDivisionError", expected)


def test_the_number_of_the_cell_counts_those_that_succeeded(cells: Cells) -> None:
    *_, last = cells("1", "2", "1 / 0", "1 / 0")
    assert "Cell In[3], line 1" in last.output


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("!ls", "UsageError"),
        ("x = !ls", "UsageError"),
        ("%pip install x", "UsageError"),
        ("%%bash\nls", "UsageError"),
        ("input()", "EOFError"),
        ("x = = 1", "SyntaxError"),
        ("exit()", "SystemExit"),
        ("import sys\nsys.exit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "ValueError"),
        ("def f(): return f()\nf()", "RecursionError"),
    ],
)
def test_errors_are_named_and_bounded(cells: Cells, code: str, error: str) -> None:
    result = cells(code)[0]
    assert (result.status, result.error) == ("error", error)
    assert 0 < len(result.output) <= 2100
    assert "\x1b" not in result.output


def test_values_are_bounded_and_never_raise(cells: Cells) -> None:
    long, evil, huge = cells(
        "'x' * 100_000",
        "class C:\n    def __str__(self): raise ValueError\n    def __repr__(self): return 'C!'\nC()",
        "10 ** 5000",
    )
    assert long.value == "x" * 2000
    assert long.output == "Out: '" + "x" * 1994 + "...\n[Output Truncated]"
    assert evil.output == "Out: C!"
    assert evil.value == "<C whose str() raises ValueError>"
    assert huge.status in ("ok", "error")


def test_deterministic(cells: Cells) -> None:
    code = "import random\nimport numpy as np\n(random.random(), np.random.rand(), hash('a'), list({'x', 'y', 'z'}))"
    first, again, other = (cells(code, seed=seed)[0].value for seed in (1, 1, 2))
    assert first == again
    assert first != other
    late = cells("1", code, seed=1)[1].value
    assert late == first
    two_draws = cells("import random", "random.random()", "random.random()")
    assert two_draws[1].value != two_draws[2].value


def program(sandbox: ProcessSandbox, code: str, stdin: str = "") -> ProgramResult:
    return asyncio.run(sandbox.program(code, stdin))


def test_a_program_is_a_script(sandbox: ProcessSandbox) -> None:
    code = "import sys\nif __name__ == '__main__':\n    a = input()\n    b = sys.stdin.read()\n"
    code += "    print(a, end='|')\n    sys.stdout.write(b)"
    result = program(sandbox, code, "first\nsecond  \nthird")
    assert result == ProgramResult(status="ok", stdout="first|second  \nthird", stderr="")


def test_a_program_that_raises(sandbox: ProcessSandbox) -> None:
    result = program(sandbox, "print('x')\ndef f():\n    return 1 / 0\nf()")
    assert result.status == "error"
    assert result.stdout == "x\n"
    # Newer interpreters underline more.
    shown = [line for line in result.stderr.splitlines() if line.strip(" ~^")]
    assert "\n".join(shown) + "\n" == (
        "Traceback (most recent call last):\n"
        '  File "main.py", line 4, in <module>\n    f()\n'
        '  File "main.py", line 3, in f\n    return 1 / 0\n'
        "ZeroDivisionError: division by zero\n"
    )


@pytest.mark.parametrize(
    ("code", "status", "stdout"),
    [
        ("import sys\nprint(1)\nsys.exit()", "ok", "1\n"),
        ("import sys\nprint(1)\nsys.exit(2)", "error", "1\n"),
        ("exit()", "ok", ""),
        ("import os\nos.abort()", "killed", ""),
        ("print('x' * 3_000_000)", "ok", "x" * (1 << 20)),
        ("import threading\nthreading.Thread(target=print, args=[5]).start()", "ok", "5\n"),
        ("import atexit\natexit.register(print, 6)", "ok", "6\n"),
        ("import os\nos.write(1, b'7')", "ok", "7"),
        ("for line in open(0): print(int(line) * 2)", "ok", "2\n4\n"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: 'int' = 3\nprint(A())", "ok", "A(x=3)\n"),
        ("import multiprocessing as m\nwith m.Pool(2) as p: print(p.map(abs, [-1, -2]))", "ok", "[1, 2]\n"),
        ("import tempfile, shutil\nf = tempfile.mkdtemp()\nshutil.copytree(f, f + 'c')\nprint(1)", "ok", "1\n"),
        ("import sqlite3\nc = sqlite3.connect('a.db')\nc.execute('create table t(x)')\nc.commit()\nprint(1)", "ok", "1\n"),
        (
            "import os, getpass\nprint(getpass.getuser(), os.path.expanduser('~'), os.getcwd())",
            "ok",
            "user /scratch /scratch\n",
        ),
    ],
)
def test_programs(sandbox: ProcessSandbox, code: str, status: str, stdout: str) -> None:
    result = program(sandbox, code, "1\n2\n")
    assert (result.status, result.stdout) == (status, stdout), result.stderr


def test_a_large_stdin(sandbox: ProcessSandbox) -> None:
    assert program(sandbox, "import sys\nprint(len(sys.stdin.read()))", "é" * 1_000_000).stdout == "1000000\n"


def test_a_large_program(sandbox: ProcessSandbox) -> None:
    assert program(sandbox, "# " + "x" * 1_000_000 + "\nprint('end')").stdout == "end\n"


def test_surrogates_and_nulls_are_data(sandbox: ProcessSandbox, cells: Cells) -> None:
    assert cells("'\\ud800'")[0].status == "ok"
    assert cells("x = '\ud800'")[0].status in ("ok", "error")
    assert cells("x = 1\0")[0].status == "error"
    assert program(sandbox, "print('\ud800')").status in ("ok", "error")

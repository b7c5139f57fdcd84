"""Math-Verify behind killable processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from preftree.errors import PreftreeError
from preftree.grading.math import MathPool, math_version
from preftree.grading.python_form import python_to_latex

T = TypeVar("T")
HANGS = "9^{9^{9^9}}"


def with_pool(body: Callable[[MathPool], Awaitable[T]], **settings: float) -> T:
    async def run() -> T:
        async with MathPool(**settings) as pool:  # type: ignore[arg-type]
            return await body(pool)

    return asyncio.run(run())


def workers_of(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"preftree.grading.math_worker" in command and fields[1] == str(parent) and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def test_verdicts() -> None:
    cases = [
        ("x^2+2x+1", "(x+1)^2", True),
        ("2\\sqrt{3}", "2*sqrt(3)", True),
        ("-7 - 9i", "-9*I - 7", True),
        ("\\log_2 3", "log(3)/log(2)", True),
        ("y = x+2", "x+2", True),
        ("1,2", "2 and 1", True),
        ("2,4", "[4, 2]", True),
        ("\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", "Matrix([[1], [2]])", True),
        ("3", "The units digit of $13^{19} \\cdot 19^{13}$ is 3.", True),
        ("[0,1)", "[0,1]", False),
        ("(2,4)", "[2, 4]", False),
        ("(1,2)", "(2,1)", False),
        ("33_4", "33", False),
        ("4", "4*sin(theta)/cos(theta)**2", False),
        ("2", "2 - 2B", False),
        ("2", "2\\pi", False),
        ("7", "((((((", False),
        ("2", "\\frac{1}{0}", False),
        ("2", "", False),
        ("2", "\\", False),
        ("2", "\x00\ud800\n$", False),
    ]

    async def body(pool: MathPool) -> list[bool | None]:
        return await asyncio.gather(*(pool.equal(gold, answer) for gold, answer, _ in cases))

    assert with_pool(body) == [equal for _, _, equal in cases]


def test_a_hanging_comparison_is_killed_and_the_next_one_is_answered() -> None:
    async def body(pool: MathPool) -> tuple[bool | None, bool | None, float]:
        await pool.equal("x", "2x")
        began = time.monotonic()
        hung = await pool.equal("2", HANGS)
        took = time.monotonic() - began
        return hung, await pool.equal("x+1", "1+x"), took

    hung, after, took = with_pool(body, workers=1, seconds=1.0)
    assert hung is None
    assert after is True
    assert 0.9 < took < 10


def test_a_killed_worker_costs_no_verdict() -> None:
    async def body(pool: MathPool) -> tuple[bool | None, bool | None]:
        await pool.equal("x", "2x")
        (worker,) = workers_of(os.getpid())
        os.kill(worker, signal.SIGKILL)
        idle = await pool.equal("x+1", "1+x")  # it was idle
        (worker,) = workers_of(os.getpid())
        asyncio.get_running_loop().call_later(0.2, os.kill, worker, signal.SIGKILL)
        return idle, await pool.equal("2", HANGS)  # it dies at work, and its successor runs into the limit

    assert with_pool(body, workers=1, seconds=1.0) == (True, None)


def test_a_cancelled_question_does_not_answer_the_next() -> None:
    async def body(pool: MathPool) -> bool | None:
        await pool.equal("x", "2x")
        task = asyncio.create_task(pool.equal("2", HANGS))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await pool.equal("x+1", "1+x")

    assert with_pool(body, workers=1) is True


def test_no_more_processes_than_workers_and_none_after_closing() -> None:
    async def body(pool: MathPool) -> int:
        assert workers_of(os.getpid()) == []
        await asyncio.gather(*(pool.equal("x", f"{n}x") for n in range(2, 12)))
        return len(workers_of(os.getpid()))

    assert with_pool(body, workers=2) == 2
    assert workers_of(os.getpid()) == []


def test_a_worker_dies_with_its_parent_even_while_computing() -> None:
    script = (
        "import asyncio, os\n"
        "from preftree.grading.math import MathPool\n"
        "async def main():\n"
        "    pool = MathPool(workers=1, seconds=60)\n"
        "    await pool.equal('x', '2x')\n"
        "    print('ready', flush=True)\n"
        f"    await pool.equal('2', {HANGS!r})\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    (worker,) = workers_of(parent.pid)
    time.sleep(0.2)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{worker}/cmdline").exists() and Path(f"/proc/{worker}/cmdline").read_bytes():
        assert time.monotonic() < deadline, "the worker outlived its parent"
        time.sleep(0.02)


def test_no_key_reaches_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")

    async def body(pool: MathPool) -> bytes:
        await pool.equal("x", "2x")
        return Path(f"/proc/{workers_of(os.getpid())[0]}/environ").read_bytes()

    assert b"secret" not in with_pool(body, workers=1)


def test_a_worker_that_cannot_start_is_an_error_for_people() -> None:
    with pytest.raises(PreftreeError, match="does not start"):
        with_pool(lambda pool: pool.equal("x", "y"), memory_mib=24)


def test_version_names_the_library() -> None:
    assert math_version() == "math-verify 0.9.0"


@pytest.mark.parametrize(
    ("python", "latex"),
    [
        ("sqrt(2)", r"\sqrt{2}"),
        ("x**2", "(x)^{2}"),
        ("1, 2", "1, 2"),
        ("(1, 2)", "(1, 2)"),
        ("1e-05", r"1\cdot 10^{-05}"),
        ("Rational(1, 3)", r"\frac{1}{3}"),
        ("[1, 2]", None),
        ("__import__('os').system('id')", None),
        ("unknown + 1", None),
        ("True", None),
        ("(" * 500, None),
        ("-" * 900 + "1", None),
    ],
)
def test_python_spelling(python: str, latex: str | None) -> None:
    found = python_to_latex(python)
    assert found == latex or (latex is None and python.startswith("---"))

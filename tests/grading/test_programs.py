"""Programs graded in the real sandbox."""

from __future__ import annotations

import asyncio

import pytest

from preftree.errors import SandboxUnavailable
from preftree.grading.grader import Grader
from preftree.problem import IOCase, IOTests, Problem, Reference, UnitTests
from preftree.sandbox import open_sandbox
from preftree.tree import Grade, Verdict

SUCCESSOR = UnitTests(asserts=("assert f(1) == 2", "assert f(2) == 3"), entry_point="f")
DOUBLES = IOTests(cases=(IOCase(stdin="2\n", stdout="4\n"), IOCase(stdin="5\n", stdout="10\n")))


def test_verdicts_of_programs() -> None:
    cases = [
        (SUCCESSOR, "def f(x):\n    return x + 1", "correct", ""),
        (SUCCESSOR, "def f(x):\n    return 2", "incorrect", "test 2 of 2"),
        (SUCCESSOR, "def g(x):\n    return x + 1", "incorrect", "NameError"),
        (SUCCESSOR, "def f(x:\n", "incorrect", "SyntaxError"),
        (DOUBLES, "print(2 * int(input()))", "correct", ""),
        (DOUBLES, "print(4)", "incorrect", "test 2 of 2"),
    ]

    async def body() -> tuple[str, list[Grade], Grade]:
        sandbox = open_sandbox()
        grader = Grader(sandbox)
        try:
            grades = [(await grader.grade_tests(Reference(tests=tests), code))[0] for tests, code, _, _ in cases]
            reference = Reference(tests=SUCCESSOR, solutions=("f = lambda x: x + 2",))
            problem = Problem(task="Coding", dataset="made", instruction="Write f.", reference=reference)
            return sandbox.version, grades, await grader.self_check(problem)
        finally:
            await grader.close()
            await sandbox.close()

    try:
        version, grades, checked = asyncio.run(body())
    except SandboxUnavailable as e:
        pytest.skip(f"no isolation on this machine: {e}")
    for (tests, code, verdict, detail), grade in zip(cases, grades, strict=True):
        assert grade.verdict == verdict, (code, grade)
        assert detail in grade.detail, (code, grade)
        assert grade.grader == ("unit-tests" if tests is SUCCESSOR else "io-tests")
        assert grade.version.startswith(version)
    assert checked.verdict is Verdict.incorrect

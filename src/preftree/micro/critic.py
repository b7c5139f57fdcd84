"""A critic that knows the reference: it finds the first wrong step, names it, and hints, without a digit or a name.

It reads the steps that `generate` put into a problem's metadata. It is a function of the problem and the action, and
it is the critic of the conversations that the micro models were trained on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from preftree.micro.words import ordinal
from preftree.problem import Problem
from preftree.tree import Action

_VERBS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
_NOTHING = "There are no steps to follow. Write down every step, one by one."


class ReferenceCritic:
    """Locates the first wrong step of an action on one of micro's problems."""

    name = "micro-critic"

    def critique(self, problem: Problem, action: Action) -> str:
        """What is wrong, and how to go on; one or two sentences that never contain the gold answer.

        For a problem that is not micro's (no steps in its metadata) it only says to check every step.
        """
        steps: Any = problem.metadata.get("steps")
        if not isinstance(steps, list) or not steps:
            return "Check every step again, from the first one on."
        if problem.task == "Coding":
            found = _code(steps, action)
        elif problem.task == "Logic":
            found = _text(steps, action)
        else:
            found = _math(steps, action, problem)
        return _sealed(found, problem)


def _sealed(found: str, problem: Problem) -> str:
    """`found`, or words that say less where it happens to contain the answer."""
    reference = problem.reference
    secrets = [reference.answer or ""]
    if reference.kind == "choice" and reference.answer:
        secrets.append(reference.choices[ord(reference.answer) - ord("A")])
    leaks = any(s and re.search(rf"(?<!\w){re.escape(s)}(?!\w)", found, re.IGNORECASE) for s in secrets)
    return found.partition(":")[0] + "." if leaks else found


def _wrong(index: int, kind: str, hint: str) -> str:
    return f"The {ordinal(index)} step is wrong: {kind}. Hint: {hint}."


class _Equation(NamedTuple):
    """One step of an attempt as numbers; `value` is what it claims."""

    left: int
    op: str
    right: int
    value: int | None


_IN_WORDS = re.compile(r"^Step \d+[:.].*?= *(-?\d+) *([-+*/]) *(-?\d+) *= *(-?\d+)", re.MULTILINE)
_IN_CODE = re.compile(r"^ *(\w+) *= *(-?\w+) *(//|[-+*/]) *(-?\w+) *$", re.MULTILINE)


def _math(steps: Sequence[Mapping[str, Any]], action: Action, problem: Problem) -> str:
    values: dict[str, int] = {}
    if action.code is None:
        equations = [
            _Equation(int(a), op, int(b), int(v)) for a, op, b, v in _IN_WORDS.findall(action.text) if len(a + b + v) < 20
        ]
    else:
        equations = []
        for name, a, op, b in _IN_CODE.findall(action.code):
            numbers = [values.get(x, _number(x)) for x in (a, b)]
            if numbers[0] is None or numbers[1] is None:
                goal = steps[min(len(equations), len(steps) - 1)]["goal"]
                return _wrong(len(equations), "it uses a name that was never set", f"find {goal} from known numbers")
            equation = _Equation(numbers[0], op[:1], numbers[1], None)
            values[name] = _value(equation)
            equations.append(equation)
    if not equations:
        return _NOTHING
    for index, step in enumerate(steps):
        if index == len(equations):
            return f"The {ordinal(index)} step is missing: the work stops too early. Hint: you still need {step['goal']}."
        said = _judge(index, step, equations[index], steps, problem)
        if said:
            return said
    if len(equations) > len(steps):
        return _wrong(len(steps), "it is one step too many", "stop when you have what is asked")
    return "The steps are fine: only the last line is wrong. Hint: answer with what the last step found."


def _judge(
    index: int, step: Mapping[str, Any], found: _Equation, steps: Sequence[Mapping[str, Any]], problem: Problem
) -> str | None:
    """What is wrong with one equation, or None."""
    left, op, right, goal = step["left"], step["op"], step["right"], step["goal"]
    same = (found.left, found.right) == (left, right)
    if op in "+*":
        same = same or (found.right, found.left) == (left, right)
    if same and found.op == op:
        slip = found.value is not None and found.value != step["value"]
        return _wrong(index, "the result is not computed right", f"{_VERBS[op]} once more with care") if slip else None
    if same or (found.right, found.left) == (left, right):
        kind = "the operation is not the one needed" if found.op != op else "the two numbers are in the wrong order"
        return _wrong(index, kind, f"{_VERBS[op]} to find {goal}")
    for later in steps[index + 1 :]:
        if found.op == later["op"] and {found.left, found.right} & {later["left"], later["right"]}:
            return _wrong(index, "one step was left out before it", f"first find {goal}, so {_VERBS[op]}")
    distractor = problem.metadata.get("distractor")
    if distractor is not None and distractor in (found.left, found.right) and distractor not in (left, right):
        return _wrong(index, "it uses one number that has nothing to do with it", f"{_VERBS[op]} to find {goal}")
    return _wrong(index, "it uses one wrong number", f"{_VERBS[op]} to find {goal}")


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else None


def _value(e: _Equation) -> int:
    if e.op == "/":
        return e.left // e.right if e.right else 0
    return {"+": e.left + e.right, "-": e.left - e.right, "*": e.left * e.right}[e.op]


def _code(steps: Sequence[Mapping[str, Any]], action: Action) -> str:
    rows = [row.strip() for row in (action.code or "").split("\n")]
    lines = [row for row in rows if row and not row.startswith(("#", "def ", "import ", "from "))]
    if not lines:
        return _NOTHING
    for index, step in enumerate(steps):
        # The first step of a Coding action is the prose before the program.
        if index == len(lines):
            return (
                f"The {ordinal(index + 1)} step is missing: the work stops too early. Hint: you still need to {step['goal']}."
            )
        if _plain(lines[index]) != _plain(step["code"]):
            kind = "this line does not do what was asked"
            if any(_plain(lines[index]) == _plain(later["code"]) for later in steps[index + 1 :]):
                kind = "one step was left out before it"
            return _wrong(index + 1, kind, step["goal"])
    return "The steps are fine, but the program around them is not. Hint: check the first line of the function."


def _plain(line: str) -> str:
    return re.sub(r"\s+", "", line).replace("'", '"')


def _text(steps: Sequence[Mapping[str, Any]], action: Action) -> str:
    lines = re.findall(r"^Step \d+[:.] *(.*)$", action.text, re.MULTILINE)
    if not lines:
        return _NOTHING
    for index, step in enumerate(steps):
        if index == len(lines):
            return f"The {ordinal(index)} step is missing: the work stops too early. Hint: {step['hint']}."
        if _plain(lines[index]) != _plain(step["text"]):
            return _wrong(index, "it does not fit the text", step["hint"])
    return "The steps are fine: only the last line is wrong. Hint: answer with what the steps have shown."

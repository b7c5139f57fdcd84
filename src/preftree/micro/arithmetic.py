"""Word problems of one to four steps, each solved in words (Math_CoT) or with Python (Math_PoT).

A template is text with letters for numbers, and steps such as `left = a - b`. Numbers are drawn until every step is a
whole number from 0 to 100, so that gold answers are right by construction and a small model can learn the arithmetic.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from preftree.micro.arithmetic_templates import TEMPLATES, Template
from preftree.micro.draft import Draft, Wrong
from preftree.micro.words import NAMES, THINGS
from preftree.problem import Problem, Reference, Task

LARGEST = 100
"""Ours: no number in a right solution is larger."""

_DISTRACTORS = ("{m} is {z} years old.", "{m} also has {z} {others}.", "The {others} cost {z} coins.", "{k} saw {z} birds.")


class Line(NamedTuple):
    """One step of a solution: `name = left op right`; an operand is a number or the name of an earlier step."""

    name: str
    goal: str
    left: int | str
    op: str
    right: int | str


def calculate(left: int, op: str, right: int) -> int | None:
    """The value of one operation; None where it is no whole number."""
    if op == "/":
        return left // right if right and left % right == 0 else None
    return {"+": left + right, "-": left - right, "*": left * right}[op]


def evaluate(lines: Sequence[Line], slips: dict[int, int] | None = None) -> list[int] | None:
    """The value of every line, in order, or None if one cannot be had; `slips` are added to the values of those lines."""
    values: dict[str, int] = {}
    found = []
    for index, line in enumerate(lines):
        left = values.get(line.left) if isinstance(line.left, str) else line.left
        right = values.get(line.right) if isinstance(line.right, str) else line.right
        value = None if left is None or right is None else calculate(left, line.op, right)
        if value is None:
            return None
        values[line.name] = value + (slips or {}).get(index, 0)
        found.append(values[line.name])
    return found


def in_words(lines: Sequence[Line], values: Sequence[int]) -> str:
    """The steps in words: `Step 1: apples left = 12 - 5 = 7`."""
    known = dict(zip((line.name for line in lines), values, strict=True))
    return "\n".join(
        f"Step {i}: {line.goal} = {known.get(str(line.left), line.left)} {line.op} "
        f"{known.get(str(line.right), line.right)} = {value}"
        for i, (line, value) in enumerate(zip(lines, values, strict=True), 1)
    )


def program(lines: Sequence[Line]) -> str:
    """The steps as Python; the first one's comment stands before the program, as prose."""
    rows = []
    for i, line in enumerate(lines, 1):
        if i > 1:
            rows.append(f"# Step {i}: find {line.goal}")
        rows.append(f"{line.name} = {line.left} {'//' if line.op == '/' else line.op} {line.right}")
    return "\n".join([*rows, lines[-1].name])


def action(lines: Sequence[Line], values: Sequence[int], *, python: bool, answer: str | None = None) -> str:
    """A whole action in the flat form; `answer` replaces the last line's value or name."""
    if python:
        return f"Step 1: find {lines[0].goal}\n```python\n{program(lines)}\n```\nAnswer: {answer or lines[-1].name}"
    return f"{in_words(lines, values)}\nAnswer: {answer or values[-1]}"


def draft(rng: Random, task: Task) -> Draft:
    """A word problem of a random template, for Math_CoT or Math_PoT."""
    template = rng.choice(TEMPLATES)
    while True:
        numbers = {letter: rng.randint(*span) for letter, span in template.numbers.items()}
        names = rng.sample(NAMES, 3)
        things, others = rng.sample(THINGS, 2)
        words = {"n": names[0], "m": names[1], "k": names[2], "things": things, "others": others, **numbers}
        lines = [_line(step, numbers, words) for step in template.steps]
        values = evaluate(lines)
        if values and all(0 <= v <= LARGEST for v in values) and values[-1] > 0:
            break
    distractor = rng.randint(2, 20) if rng.random() < 0.2 else None
    python = task == "Math_PoT"
    sentences = [s.format(**words) for s in template.sentences]
    if distractor is not None:
        extra = rng.choice(_DISTRACTORS).format(z=distractor, **words)
        sentences.insert(rng.randint(1, len(sentences)), extra)
    problem = Problem(
        task=task,
        dataset="micro",
        instruction=" ".join([*sentences, template.question.format(**words)]),
        tool="python" if python else None,
        reference=Reference(
            answer=str(values[-1]),
            rationale=in_words(lines, values),
            solutions=(program(lines),) if python else (),
        ),
        metadata={
            "template": template.name,
            "steps": [
                {"goal": line.goal, "name": line.name, "left": a, "op": line.op, "right": b, "value": v}
                for line, (a, b), v in zip(lines, _operands(lines, values), values, strict=True)
            ],
            "distractor": distractor,
        },
    )
    pool = [*numbers.values(), *([distractor] if distractor is not None else [])]
    return Draft(problem, action(lines, values, python=python), lambda r: _wrong(r, lines, values, pool, python, template))


def _operands(lines: Sequence[Line], values: Sequence[int]) -> list[tuple[int, int]]:
    known = dict(zip((line.name for line in lines), values, strict=True))
    return [
        (
            known[line.left] if isinstance(line.left, str) else line.left,
            known[line.right] if isinstance(line.right, str) else line.right,
        )
        for line in lines
    ]


_STEP = re.compile(r"(\w+): (.+) = (\w+) ([-+*/]) (\w+)")


def _line(step: str, numbers: dict[str, int], words: dict[str, object]) -> Line:
    match = _STEP.fullmatch(step)
    assert match, step
    name, goal, left, op, right = match.groups()

    def operand(text: str) -> int | str:
        return int(text) if text.isdigit() else numbers.get(text, text)

    return Line(name, goal.format(**words), operand(left), op, operand(right))


def _wrong(
    rng: Random, lines: list[Line], values: list[int], pool: list[int], python: bool, template: Template
) -> Wrong | None:
    """One of the field's usual mistakes, carried through to the end; None if the answer comes out right."""
    kinds = ["operation", "operation", "number", "number", "skip", "answer"]
    kind = rng.choice([*kinds, "name"] if python else [*kinds, "slip", "slip", "slip"])
    at = rng.randrange(len(lines))
    changed, slips, answer = list(lines), {}, None
    line = lines[at]
    if kind == "operation":
        changed[at] = line._replace(op=rng.choice([op for op in "+-*/" if op != line.op]))
    elif kind == "number":
        number = rng.choice(pool) if rng.random() < 0.5 else rng.randint(2, 30)
        changed[at] = line._replace(left=number) if rng.random() < 0.5 else line._replace(right=number)
    elif kind == "skip":
        if len(lines) == 1 or at == len(lines) - 1:
            changed = changed[:-1]
        else:
            stand_in = line.left if rng.random() < 0.5 else line.right
            changed = [
                x._replace(
                    left=stand_in if x.left == line.name else x.left, right=stand_in if x.right == line.name else x.right
                )
                for x in changed
                if x is not line
            ]
        if not changed:
            return None
    elif kind == "answer":
        answer = str(rng.choice(pool) if len(lines) == 1 else values[at])
        if python and len(lines) > 1:
            answer = line.name
    elif kind == "slip":
        slips = {at: rng.choice((-10, -2, -1, 1, 2, 10))}
    elif kind == "name":
        return _undefined(rng, lines, at)
    found = evaluate(changed, slips)
    if found is None or not all(0 <= v <= 2 * LARGEST for v in found):
        return None
    stated = dict(zip((x.name for x in changed), found, strict=True)).get(answer or "", found[-1])
    if answer and answer.isdigit():
        stated = int(answer)
    if stated == values[-1]:
        return None
    return Wrong(action(changed, found, python=python, answer=answer), f"Out: {found[-1]}" if python else "")


def _undefined(rng: Random, lines: list[Line], at: int) -> Wrong:
    """A program that uses a name it never set, and the notebook's words for it."""
    name = rng.choice(("result", "rest", "amount"))
    changed = list(lines)
    changed[at] = lines[at]._replace(left=name)
    code = program(changed).split("\n")
    return Wrong(action(changed, [0] * len(lines), python=True), _traceback(code, 2 * at, f"name '{name}' is not defined"))


def _traceback(code: Sequence[str], at: int, message: str) -> str:
    """What a notebook shows for a NameError in the line at index `at`, with two lines on each side."""
    around = range(max(0, at - 2), min(len(code), at + 3))
    shown = [f"{'---->' if i == at else '     '} {i + 1} {code[i]}" for i in around]
    head = ["-" * 75, f"NameError{'Traceback (most recent call last)':>66}", f"Cell In[1], line {at + 1}"]
    return "\n".join([*head, *shown, "", f"NameError: {message}"])

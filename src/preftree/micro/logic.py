"""Small puzzles in text: order, swaps, turns, days, syllogisms, odd one out, patterns, places, rows, rules.

A puzzle is a list of facts and a way to solve it. A wrong attempt solves it with one fact misread, and is carried
through to the end, as people err.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from preftree.micro import puzzles
from preftree.micro.draft import Draft, Wrong
from preftree.micro.puzzles import Puzzle
from preftree.problem import Problem, Reference


class Template(NamedTuple):
    """A kind of puzzle."""

    name: str
    draw: Callable[[Random], Puzzle]


TEMPLATES: tuple[Template, ...] = (
    Template("tallest", puzzles.tallest),
    Template("oldest", puzzles.oldest),
    Template("swaps", puzzles.swaps),
    Template("turns", puzzles.turns),
    Template("days", puzzles.days),
    Template("syllogism", puzzles.syllogism),
    Template("odd-one-out", puzzles.odd_one_out),
    Template("pattern", puzzles.pattern),
    Template("places", puzzles.places),
    Template("row", puzzles.row),
    Template("rule", puzzles.rule),
    Template("truth-table", puzzles.truth_table),
)


def action(lines: Sequence[str], answer: str) -> str:
    """A whole action in the flat form."""
    return "\n".join([*(f"Step {i}: {line}" for i, line in enumerate(lines, 1)), f"Answer: {answer}"])


def draft(rng: Random) -> Draft:
    """A puzzle of a random template."""
    template = rng.choice(TEMPLATES)
    puzzle = template.draw(rng)
    lines, answer = puzzle.solve(puzzle.facts)
    options = "".join(f" ({chr(65 + i)}) {choice}" for i, choice in enumerate(puzzle.choices))
    problem = Problem(
        task="Logic",
        dataset="micro",
        instruction=puzzle.text + options,
        reference=Reference(
            answer=answer,
            kind=puzzle.kind,
            choices=puzzle.choices,
            rationale="\n".join(f"Step {i}: {line}" for i, line in enumerate(lines, 1)),
        ),
        metadata={
            "template": template.name,
            "steps": [{"text": line, "hint": hint} for line, hint in zip(lines, puzzle.hints, strict=True)],
        },
    )
    return Draft(problem, action(lines, answer), lambda r: _wrong(r, puzzle, answer))


def _wrong(rng: Random, puzzle: Puzzle, right: str) -> Wrong | None:
    """One fact misread, or a wrong last line; None if the answer comes out right."""
    if rng.random() < 0.15:
        lines, _ = puzzle.solve(puzzle.facts)
        answer = rng.choice(puzzle.answers)
    else:
        facts: list[Any] = list(puzzle.facts)
        at = rng.randrange(len(facts))
        facts[at] = puzzle.misread(rng, facts[at])
        lines, answer = puzzle.solve(facts)
    return None if answer == right else Wrong(action(lines, answer), "")

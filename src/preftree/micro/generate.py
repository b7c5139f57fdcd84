"""Endless problems with exact answers, in all four tasks; a function of the seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import get_args

from preftree.errors import InputError
from preftree.micro import arithmetic, coding, logic
from preftree.micro.draft import Draft
from preftree.problem import Problem, Task
from preftree.tree import seed_of

TASKS: tuple[Task, ...] = get_args(Task)

_PATIENCE = 2000
"""Ours: draws without a new problem after which a template's space is called exhausted."""


def generate(n: int, seed: int, tasks: Sequence[Task] = TASKS) -> Iterator[Problem]:
    """`n` different problems, the tasks in turn; the micro models were trained on none of them, whatever the seed.

    Raises:
        InputError: an unknown task, or more problems than there are.
    """
    return (draft.problem for draft in drafts(n, seed, tasks))


def drafts(n: int, seed: int, tasks: Sequence[Task] = TASKS, *, train: bool = False) -> Iterator[Draft]:
    """Like `generate`, with right and wrong actions; `train` draws from the training side of the split."""
    unknown = [task for task in tasks if task not in TASKS]
    if unknown or not tasks:
        raise InputError(
            f"micro has no problems of the task {unknown[0]!r}." if unknown else "No task was named.",
            where="tasks",
            hint=f"choose from {', '.join(TASKS)}",
        )
    seen: set[str] = set()
    for index in range(n):
        task = tasks[index % len(tasks)]
        rng = Random(seed_of(seed, "micro", "train" if train else "held out", task, index))
        for _ in range(_PATIENCE):
            draft = _draw(rng, task)
            if held_out(draft.problem) != train and draft.problem.id not in seen:
                break
        else:
            raise InputError(f"micro has fewer than {n} different problems.", where="n", hint="ask for fewer")
        if not train:
            seen.add(draft.problem.id)
        yield draft


def held_out(problem: Problem) -> bool:
    """Whether no micro model was trained on a problem, in either form of math: by the instruction's hash, one in four."""
    return seed_of(0, "split", problem.instruction) % 4 == 0


def _draw(rng: Random, task: Task) -> Draft:
    if task == "Coding":
        return coding.draft(rng)
    if task == "Logic":
        return logic.draft(rng)
    return arithmetic.draft(rng, task)

"""What a run will ask for, before it asks: the least, expected and most model calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from preftree.grow.config import GrowConfig
from preftree.problem import Problem

ASSUMED_PASS_RATE = 0.3
"""The share of samples that are right, of actors and of the other models alike; ours: a hard problem for a small model,
at which 20 samples shrink to 3.3 calls by stopping early. A real estimate comes from a small run: --limit 20."""


class Calls(NamedTuple):
    """Model calls of one tree or of a run."""

    least: float
    expected: float
    most: float


class Plan(NamedTuple):
    """What a run will do."""

    problems: int
    tasks: dict[str, int]
    calls: Calls


def plan(config: GrowConfig, problems: Iterable[Problem], pass_rate: float = ASSUMED_PASS_RATE) -> Plan:
    """Count the problems and add up the calls of their trees, under an assumed pass rate in (0, 1)."""
    tasks: Counter[str] = Counter()
    total = Calls(0, 0, 0)
    for problem in problems:
        tasks[problem.task] += 1
        one = calls_of(config, problem, pass_rate)
        total = Calls(*(a + b for a, b in zip(total, one, strict=True)))
    return Plan(sum(tasks.values()), dict(sorted(tasks.items())), total)


def calls_of(config: GrowConfig, problem: Problem, pass_rate: float) -> Calls:
    """The calls of one tree.

    Least: every search ends at its first sample, or the first turn's wrong one finds nothing, whichever is cheaper.
    Expected: samples are right independently with `pass_rate`; help from the reference always works. Most: nothing works.
    """
    ladder = config.ladder
    rungs = 1 + len(config.stronger)
    guide = _guide_calls(config, problem)
    critic = 1 if config.critic not in (None, "micro-critic") else 0
    turns = config.max_turns

    fail = 1 - pass_rate
    none_right = fail**ladder.samples
    right = sum(none_right**rung for rung in range(rungs)) * (1 - none_right) / pass_rate
    right += none_right**rungs * (1 + guide[0] if guide else 0)
    wrong = (1 - pass_rate**ladder.wrong_samples) / fail
    follow = 1 - pass_rate**ladder.wrong_samples

    expected = sum(follow**turn * (right + wrong) for turn in range(turns))
    expected += sum(follow**turn for turn in range(1, turns)) * critic
    most = turns * (rungs * ladder.samples + ladder.wrong_samples) + (turns - 1) * critic
    most += turns * (guide[0] + ladder.guided_samples) if guide else 0
    if problem.task == "Coding" and guide:
        extra = min(max(len(problem.reference.solutions) - 1, 0), config.extra_pairs)
        most += extra * (ladder.guided_samples + ladder.wrong_samples)
    all_turns = turns * 2 + (turns - 1) * critic
    return Calls(min(1 + ladder.wrong_samples, all_turns), expected, most)


def _guide_calls(config: GrowConfig, problem: Problem) -> tuple[int] | None:
    """Calls before the guided samples (translating a rationale), or None where the reference cannot help."""
    if not config.ladder.guided:
        return None
    if problem.task == "Coding":
        return (0,) if problem.reference.solutions else None
    if not problem.reference.rationale:
        return None
    return (1,) if problem.tool else (0,)

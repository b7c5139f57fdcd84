"""A tiny world of scripted models for the tests of growing: fast, and with every verdict in it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from preftree.grading.grader import Grader
from preftree.grow.config import GrowConfig
from preftree.grow.engine import Engine
from preftree.grow.run import Cast, grow_run
from preftree.interact.turn import Actor
from preftree.llm.base import Message
from preftree.llm.scripted import ScriptedChat
from preftree.problem import Problem, Reference
from preftree.runs.progress import Progress
from preftree.sandbox.base import NoSandbox
from preftree.tree import Action, Critique, Observation, Position


def sum_problem(a: int, b: int, **reference: object) -> Problem:
    """A sum to be solved in text."""
    gold = Reference.model_validate({"answer": str(a + b), **reference})
    return Problem(task="Math_CoT", dataset="sums", instruction=f"What is {a} plus {b}?", reference=gold)


def sums(n: int) -> list[Problem]:
    return [sum_problem(i, 2 * i + 1) for i in range(n)]


def guesser(name: str, right: float) -> ScriptedChat:
    """Says the sum with probability `right`, else a wrong number, and now and then nothing that is an answer."""

    def reply(messages: Sequence[Message], seed: int, position: Position | None) -> str:
        rng = random.Random(seed)
        words = next(m.content for m in messages if m.role == "user").split("?")[0].split()
        total = int(words[-3]) + int(words[-1])
        draw = rng.random()
        if draw < 0.05:
            return "I would rather not say."
        answer = total if draw < 0.05 + right else total + rng.randint(1, 9)
        return f"Step 1: Add them.\nAnswer: {answer}"

    return ScriptedChat(reply, name=name)


class PlainCritic:
    """Comments without a model."""

    name = "plain"

    async def criticise(
        self,
        problem: Problem,
        history: Sequence[object],
        action: Action,
        observation: Observation,
        *,
        seed: int,
        position: Position,
    ) -> Critique:
        return Critique(text="Step 1 is wrong: add once more.", model=self.name)


def config_for(folder: Path, **settings: object) -> GrowConfig:
    data = {
        "name": "t",
        "runs": folder,
        "sources": [{"kind": "micro", "n": 1}],
        "actor": "micro",
        "wrong": ["micro-weak"],
        "concurrency": 8,
        **settings,
    }
    return GrowConfig.model_validate(data)


def cast_for(actor: ScriptedChat, *wrong: ScriptedChat, stronger: Sequence[ScriptedChat] = ()) -> Cast:
    return Cast([Actor(actor), *map(Actor, stronger)], list(map(Actor, wrong)), PlainCritic())


async def grow_sums(
    config: GrowConfig, problems: Sequence[Problem], cast: Cast, on_start: object = None
) -> tuple[Path, Progress]:
    progress = Progress(total=len(problems))
    sandbox = NoSandbox()
    grader = Grader(sandbox)

    def started(engine: Engine) -> None:
        if callable(on_start):
            on_start(engine)

    try:
        return await grow_run(config, problems, cast, sandbox, grader, progress, on_start=started), progress
    finally:
        await grader.close()

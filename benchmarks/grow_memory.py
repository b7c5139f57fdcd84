"""Memory of one process over 100,000 trees: bounded by the trees in flight, not by those that are done.

    python -m benchmarks.grow_memory [TREES]

A model that answers at once plays all roles, so that nothing but growing itself is measured.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from preftree.grading.grader import Grader
from preftree.grow.config import GrowConfig
from preftree.grow.engine import Engine
from preftree.grow.run import Cast, grow_run
from preftree.interact.turn import Actor
from preftree.llm.base import Completion, Message, Sampling
from preftree.problem import Problem, Reference
from preftree.runs.progress import Progress
from preftree.sandbox.base import NoSandbox
from preftree.tree import Position

TREES = 100_000
SAMPLES = 20
"""How often memory is read during a run."""


class Instant:
    """Answers a sum at once, right with a given probability."""

    def __init__(self, name: str, right: float) -> None:
        self.name = name
        self.right = right

    async def complete(
        self, messages: Sequence[Message], sampling: Sampling, n: int = 1, *, seed: int = 0, position: Position | None = None
    ) -> list[Completion]:
        words = messages[1].content.split()
        total = int(words[2]) + int(words[4].rstrip("?"))
        answer = total if random.Random(seed).random() < self.right else total + 1
        return [Completion(text=f"Step 1: Add.\nAnswer: {answer}", finish_reason="stop", model=self.name)]

    async def close(self) -> None:
        pass


def problems(n: int) -> Iterator[Problem]:
    for i in range(n):
        yield Problem(
            task="Math_CoT",
            dataset="sums",
            instruction=f"What is {i} plus {i + 1}?",
            reference=Reference(answer=str(2 * i + 1)),
        )


def resident_mib() -> float:
    """Resident memory of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


async def grow(n: int, folder: Path) -> list[float]:
    """Resident memory in MiB, read at even steps while `n` trees of one to two turns grow."""
    config = GrowConfig.model_validate(
        {
            "name": "memory",
            "runs": folder,
            "sources": [{"kind": "micro", "n": 1}],
            "actor": "micro",
            "wrong": ["micro-weak"],
            "max_turns": 2,
            "concurrency": 256,
        }
    )
    cast = Cast([Actor(Instant("a", 0.6))], [Actor(Instant("w", 0.6))], None)
    progress = Progress(total=n)
    seen: list[float] = []

    def counted() -> Iterator[Problem]:
        for i, problem in enumerate(problems(n)):
            if i % max(n // SAMPLES, 1) == 0:
                gc.collect()
                seen.append(resident_mib())
            yield problem

    def on_start(_: Engine) -> None:
        seen.clear()

    sandbox = NoSandbox()
    grader = Grader(sandbox)
    await grow_run(config, counted(), cast, sandbox, grader, progress, on_start=on_start)
    await grader.close()
    seen.append(resident_mib())
    assert progress.done == n
    return seen


def run(n: int = TREES) -> list[dict[str, object]]:
    """The entries of this benchmark for results.json."""
    with tempfile.TemporaryDirectory() as folder:
        seen = asyncio.run(grow(n, Path(folder)))
    # The first tenth warms caches and fills the trees in flight.
    start, end = seen[len(seen) // 10], seen[-1]
    return [
        {
            "name": "grow.memory_mib_100k",
            "value": round(end, 1),
            "unit": "MiB",
            "against": f"after the first tenth of {n} trees: {start:.1f} MiB",
            "ratio": round(end / start, 3),
        }
    ]


if __name__ == "__main__":
    for entry in run(int(sys.argv[1]) if len(sys.argv) > 1 else TREES):
        print(entry)

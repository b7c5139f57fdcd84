"""A build in a process of its own, to be killed: python -m tests.grow.builder FOLDER LOG PROBLEMS."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.grow.worlds import cast_for, config_for, grow_sums, guesser, sums

from preftree.llm.base import Completion
from preftree.tree import Position

CONFIG: dict[str, Any] = {"seed": 11, "ladder": {"samples": 6, "wrong_samples": 4}, "concurrency": 6}


class Logged:
    """A scripted model that writes down each call before it is made, and takes a moment for it."""

    def __init__(self, name: str, right: float, log: Path | None) -> None:
        self.inner = guesser(name, right)
        self.name = name
        self.log = log

    async def complete(
        self, messages: Sequence[Any], sampling: Any, n: int = 1, *, seed: int = 0, position: Position | None = None
    ) -> list[Completion]:
        assert position is not None
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(position.key() + "\n")
            await asyncio.sleep(0.004 + seed % 7 / 500)
        self.inner.calls.clear()
        return await self.inner.complete(messages, sampling, n, seed=seed, position=position)

    async def close(self) -> None:
        pass


def build(folder: Path, n: int, log: Path | None = None) -> Path:
    actor, strong, wrong = Logged("a", 0.3, log), Logged("s", 0.6, log), Logged("w", 0.4, log)
    cast = cast_for(actor, wrong, stronger=[strong])  # type: ignore[arg-type,list-item]
    return asyncio.run(grow_sums(config_for(folder, **CONFIG), sums(n), cast))[0]


if __name__ == "__main__":
    build(Path(sys.argv[1]), int(sys.argv[3]), Path(sys.argv[2]))
    print("finished")

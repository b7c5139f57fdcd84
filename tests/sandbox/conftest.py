"""One sandbox for all tests of this folder: making one takes about a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from preftree.errors import SandboxUnavailable
from preftree.sandbox.base import CellResult, Limits
from preftree.sandbox.host import ProcessSandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[ProcessSandbox]:
    """A jailed sandbox with a limit of 4 seconds."""
    try:
        made = ProcessSandbox(Limits(seconds=4))
    except SandboxUnavailable as e:
        pytest.skip(f"no isolation on this machine: {e}")
    yield made
    asyncio.run(made.close())


@pytest.fixture
def cells(sandbox: ProcessSandbox) -> Callable[..., list[CellResult]]:
    """Runs cells in one session."""

    def run(*codes: str, seed: int = 0) -> list[CellResult]:
        async def body() -> list[CellResult]:
            async with sandbox.session(seed=seed) as session:
                return [await session.run(code) for code in codes]

        return asyncio.run(body())

    return run

"""Each call once: out of the journal if it has been made, else for real and into the journal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from preftree.config import Record
from preftree.errors import PreftreeError
from preftree.runs.journal import Journal
from preftree.tree import Position

R = TypeVar("R", bound=Record)


class Stopped(Exception):
    """The run was asked to stop, and this call has not been started."""


class Calls:
    """The only way to a paid call.

    Args:
        journal: where finished calls are.
        replay: make no call at all; one that the journal lacks is an error.
    """

    def __init__(self, journal: Journal, *, replay: bool = False) -> None:
        self.journal = journal
        self.replay = replay
        self.stopping = False

    async def once(
        self,
        position: Position,
        cls: type[R],
        make: Callable[[], Awaitable[R | None]],
        kind: Callable[[R | None], str],
    ) -> tuple[R | None, bool]:
        """The result at a position, and whether it came from the journal.

        Args:
            position: where the call belongs.
            cls: what the stored JSON is read back as.
            make: makes the call; None is a result too (a recorded model that has no more to say).
            kind: the kind to store the result under; see `Journal.put`.

        Raises:
            Stopped: the run is stopping and the call was not made yet.
            PreftreeError: in a replay, the journal has no such call.
        """
        stored = self.journal.get(position)
        if stored is not None:
            return (cls.model_validate(stored["result"]) if stored["result"] is not None else None), True
        if self.replay:
            raise PreftreeError(
                "The journal has no record of a call that the tree needs.",
                where=position.key().replace("\t", " / "),
                hint="the run is not finished: continue it with the command it was started with, then replay",
            )
        if self.stopping:
            raise Stopped
        result = await make()
        value = None if result is None else result.model_dump(mode="json", exclude_defaults=True)
        await self.journal.put(position, kind(result), {"result": value})
        return result, False

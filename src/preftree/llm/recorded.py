"""A chat model that repeats responses recorded earlier: real models' words, without an endpoint and without cost.

A response belongs to a problem and to what was said before it: nothing at turn 1, or exactly one earlier action. So a
recorded second attempt is given only to whoever follows the very attempt that it followed when it was recorded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError

from preftree.config import Record
from preftree.errors import DataError, ModelError
from preftree.llm.base import ChatModel, Completion, Exhausted, Message, Sampling
from preftree.tree import Position, Usage


class RecordedResponse(Record):
    """One response of a model; a file of them holds one as JSON on each line."""

    problem: str = Field(min_length=1)
    """The id of the problem that was asked."""
    after: str | None = None
    """The flat text of the action that it followed; null for a first attempt."""
    model: str
    """The model that said it."""
    text: str
    """What it said."""
    usage: Usage = Usage()
    """Tokens of the call, if they were recorded."""


class RecordedChat(ChatModel):
    """Looks responses up by `position.problem` and the last assistant message, then by `position.slot`.

    Args:
        responses: in the order of their slots.
        name: what the model is called in the config; every completion names the model that it was recorded from.
    """

    def __init__(self, responses: Iterable[RecordedResponse], *, name: str = "recorded") -> None:
        self.name = name
        self._stored: dict[tuple[str, str], list[RecordedResponse]] = {}
        for response in responses:
            self._stored.setdefault((response.problem, _digest(response.after)), []).append(response)

    @classmethod
    def from_jsonl(cls, path: Path, *, models: Sequence[str] = (), name: str = "recorded") -> Self:
        """The responses in a file, of the given models or of all.

        Raises:
            DataError: the file is missing, or a line of it is not a response.
        """
        return cls((r for r in read_jsonl(path) if not models or r.model in models), name=name)

    async def complete(
        self, messages: Sequence[Message], sampling: Sampling, n: int = 1, *, seed: int = 0, position: Position | None = None
    ) -> list[Completion]:
        """Up to `n` responses from `position.slot` on: fewer only where fewer are left.

        Raises:
            Exhausted: no response is stored for this slot.
            ModelError: the call has no position, so there is nothing to look it up by.
        """
        if position is None:
            raise ModelError(
                f"The recorded model {self.name} was called without a position.",
                why="its responses are stored by problem and slot",
                hint="use it as an actor; for anything else name an endpoint or a checkpoint",
            )
        after = next((m.content for m in reversed(messages) if m.role == "assistant"), None)
        stored = self._stored.get((position.problem, _digest(after)), [])
        found = stored[position.slot : position.slot + n]
        if not found:
            raise Exhausted(f"{self.name} has {len(stored)} responses here, and slot {position.slot} was asked for")
        return [
            Completion(text=response.text, finish_reason="recorded", usage=response.usage, model=response.model)
            for response in found
        ]

    async def close(self) -> None:
        pass


def read_jsonl(path: Path) -> Iterator[RecordedResponse]:
    """The responses in a file, one JSON object a line.

    Raises:
        DataError: the file is missing, or a line of it is not a response.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _read(line, f"{path}, line {number}")
    except FileNotFoundError:
        raise DataError(
            f"There is no file {path} of recorded responses.", where=str(path), why="no such file", hint="check the path"
        ) from None
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(
            f"The recorded responses in {path} cannot be read.",
            where=str(path),
            why=str(e),
            hint="get the file again; it should be UTF-8",
        ) from None


def write_jsonl(path: Path, responses: Iterable[RecordedResponse]) -> int:
    """Write responses to a file that `read_jsonl` reads; returns how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for response in responses:
            file.write(response.model_dump_json(exclude_defaults=True) + "\n")
            count += 1
    return count


def _read(line: str, where: str) -> RecordedResponse:
    try:
        return RecordedResponse.model_validate_json(line)
    except ValidationError as e:
        reasons = "; ".join(f"{'.'.join(map(str, error['loc'])) or 'line'}: {error['msg']}" for error in e.errors())
        raise DataError(
            "A line is not a recorded response.",
            where=where,
            why=reasons,
            hint='mend the line; it needs at least {"problem": "<id>", "model": "<name>", "text": "<response>"}',
        ) from None


def _digest(after: str | None) -> str:
    return "" if after is None else hashlib.sha256(after.encode("utf-8", "surrogatepass")).hexdigest()

"""A chat model that says what it is told to: the public double of the seam, for tests, examples and users' tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from preftree.llm.base import ChatModel, Completion, Exhausted, Message, Sampling, as_dicts
from preftree.tree import Position, Usage

Reply = str | Exception
"""What is said, or what is raised instead."""

Script = (
    str | Callable[[Sequence[Message], int, Position | None], Reply] | Sequence[Reply] | Mapping[str, Reply | Sequence[Reply]]
)
"""Where replies come from; see `ScriptedChat`."""


class Call(NamedTuple):
    """One call as it was made."""

    messages: tuple[Message, ...]
    sampling: Sampling
    n: int
    seed: int
    position: Position | None


class ScriptedChat(ChatModel):
    """A chat model with given replies.

    Args:
        script: one of
            a text, said always;
            a function of (messages, seed, position), asked once for each of n with seed, seed + 1, …;
            a list, said in the order of calls, then `Exhausted`;
            a dict from a text to a reply (always the same) or a list of replies (in order, then `Exhausted`): the first
            key that occurs in the last message counts, and a message without any is a KeyError.
            An exception in place of a text is raised.
        name: what the model is called.
        latency_s: seconds that each call takes.

    Tokens are counted in words. `calls` holds every call, oldest first.
    """

    def __init__(self, script: Script, *, name: str = "scripted", latency_s: float = 0.0) -> None:
        self.name = name
        self.latency_s = latency_s
        self.calls: list[Call] = []
        self._reply = _replier(script)

    async def complete(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        n: int = 1,
        *,
        seed: int = 0,
        position: Position | None = None,
    ) -> list[Completion]:
        self.calls.append(Call(tuple(messages), sampling, n, seed, position))
        # Taken before the wait, so that concurrent calls are answered in the order in which they were made.
        replies = [self._take(messages, seed + i, position) for i in range(n)]
        await asyncio.sleep(self.latency_s)
        texts = []
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
            texts.append(reply)
        prompt_tokens = sum(len(m.content.split()) for m in messages)
        return [
            Completion(
                text=text,
                finish_reason="stop",
                usage=Usage(prompt_tokens=0 if i else prompt_tokens, completion_tokens=len(text.split())),
                model=self.name,
                request={"messages": as_dicts(messages), "seed": seed},
            )
            for i, text in enumerate(texts)
        ]

    async def close(self) -> None:
        pass

    def _take(self, messages: Sequence[Message], seed: int, position: Position | None) -> Reply:
        try:
            return self._reply(messages, seed, position)
        except StopIteration:
            return Exhausted(f"{self.name} has said all that was scripted")


def _replier(script: Script) -> Callable[[Sequence[Message], int, Position | None], Reply]:
    if isinstance(script, str):
        text = script
        return lambda messages, seed, position: text
    if callable(script):
        return script
    if isinstance(script, Mapping):
        replies = {key: _always(value) if isinstance(value, str | Exception) else iter(value) for key, value in script.items()}

        def look_up(messages: Sequence[Message], seed: int, position: Position | None) -> Reply:
            last = messages[-1].content
            for key, reply in replies.items():
                if key in last:
                    return next(reply)
            raise KeyError(f"no scripted reply for {last!r:.200}")

        return look_up
    queue = iter(script)
    return lambda messages, seed, position: next(queue)


def _always(reply: Reply) -> Iterator[Reply]:
    while True:
        yield reply

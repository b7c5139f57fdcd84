"""The public double of the seam to chat models."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from preftree.errors import CallFailed
from preftree.llm.base import Completion, Exhausted, Message, Sampling
from preftree.llm.scripted import ScriptedChat
from preftree.tree import Position


def ask(model: ScriptedChat, text: str = "What is 2 + 2?", n: int = 1, seed: int = 0) -> list[str]:
    completions = asyncio.run(model.complete([Message(role="user", content=text)], Sampling(), n, seed=seed))
    return [c.text for c in completions]


def test_a_text_is_said_always() -> None:
    model = ScriptedChat("4")
    assert ask(model, n=2) == ["4", "4"]
    assert ask(model) == ["4"]


def test_a_function_sees_messages_seed_and_position() -> None:
    position = Position("p", "1c", "actor", 0, 3)

    def script(messages: Sequence[Message], seed: int, where: Position | None) -> str:
        return f"{messages[-1].content} {seed} {where.slot if where else None}"

    model = ScriptedChat(script, name="echo")
    messages = [Message(role="system", content="one two"), Message(role="user", content="hi")]
    completions = asyncio.run(model.complete(messages, Sampling(max_tokens=5), 2, seed=7, position=position))
    assert [c.text for c in completions] == ["hi 7 3", "hi 8 3"]
    assert [(c.usage.prompt_tokens, c.usage.completion_tokens) for c in completions] == [(3, 3), (0, 3)]
    assert all(c.model == "echo" and c.finish_reason == "stop" for c in completions)
    assert all(Completion.model_validate_json(c.model_dump_json()) == c for c in completions)
    (call,) = model.calls
    assert call == (tuple(messages), Sampling(max_tokens=5), 2, 7, position)


def test_a_list_is_said_in_order_then_is_exhausted() -> None:
    model = ScriptedChat(["a", CallFailed("timeout"), "b", "c"])
    assert ask(model) == ["a"]
    with pytest.raises(CallFailed, match="timeout"):
        ask(model)
    assert ask(model, n=2) == ["b", "c"]
    with pytest.raises(Exhausted, match="scripted"):
        ask(model)
    assert len(model.calls) == 4


def test_a_dict_answers_by_what_the_last_message_contains() -> None:
    model = ScriptedChat({"2 + 2": "4", "3 + 3": ["5", "6"]})
    assert ask(model, "What is 3 + 3?") == ["5"]
    assert ask(model) == ["4"]
    assert ask(model) == ["4"]
    assert ask(model, "Again: 3 + 3?") == ["6"]
    with pytest.raises(Exhausted):
        ask(model, "3 + 3")
    with pytest.raises(KeyError, match="no scripted reply"):
        ask(model, "What is 9 - 1?")


def test_latency_passes_concurrently_and_keeps_the_order() -> None:
    model = ScriptedChat(["a", "b", "c"], latency_s=0.1)

    async def main() -> list[str]:
        calls = (model.complete([Message(role="user", content="?")], Sampling()) for _ in range(3))
        return [completions[0].text for completions in await asyncio.gather(*calls)]

    start = time.monotonic()
    assert asyncio.run(main()) == ["a", "b", "c"]
    assert 0.1 <= time.monotonic() - start < 0.25

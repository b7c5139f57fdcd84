"""Whatever bytes an endpoint sends, they become a valid completion, CallFailed or ModelError, and nothing else."""

from __future__ import annotations

import asyncio
import json
import time
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from preftree.errors import CallFailed, ModelError
from preftree.llm import openai
from preftree.llm.base import Completion, Message, Sampling
from preftree.llm.config import OpenAIConfig
from preftree.llm.openai_reply import Choices, Failure, read_choices, read_error, read_retry_after

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=8
)


def sometimes(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return good | good | json_values


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects of which every field may be missing or of the wrong kind."""
    return sometimes(st.fixed_dictionaries({}, optional={name: sometimes(value) for name, value in fields.items()}))


texts = st.text(st.characters(), max_size=20)  # half characters (lone surrogates) included
answers = objects(
    choices=st.lists(objects(message=objects(content=texts, role=texts), finish_reason=texts), max_size=4),
    model=texts,
    usage=objects(prompt_tokens=st.integers(), completion_tokens=st.integers(min_value=0)),
    error=objects(message=texts, code=texts),
    detail=texts,
)
bodies = answers.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200)


@given(bodies)
@example(b'{"choices": [{"message": {"content": "\\ud800"}, "finish_reason": "\\udfff"}], "model": "\\ud800"}')
@example(b'{"choices": [{"message": {"content": "a"}}], "usage": {"completion_tokens": NaN, "prompt_tokens": -1}}')
def test_a_200_is_read_or_refused(data: bytes) -> None:
    answer = read_choices(data)
    if isinstance(answer, Failure):
        assert answer.kind in ("malformed", "empty")
        assert answer.again
        answer.detail.encode()
        return
    assert answer.choices
    for choice in answer.choices:
        completion = Completion(text=choice.text, finish_reason=choice.finish_reason, usage=choice.usage, model=answer.model)
        assert completion.text
        assert completion.usage.prompt_tokens >= 0
        assert completion.usage.completion_tokens >= 0
        completion.model_dump_json().encode()


@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=6), st.integers(0, 10_000))
def test_the_tokens_of_all_choices_are_shared_out_exactly(contents: list[str], written: int) -> None:
    choices = [{"message": {"content": text}} for text in contents]
    usage = {"prompt_tokens": 9, "completion_tokens": written}
    answer = read_choices(json.dumps({"choices": choices, "usage": usage}).encode())
    assert isinstance(answer, Choices)
    assert sum(choice.usage.completion_tokens for choice in answer.choices) == written
    assert sum(choice.usage.prompt_tokens for choice in answer.choices) == 9


@given(st.integers(201, 599), bodies, st.none() | st.text(max_size=20), st.booleans())
def test_an_error_is_read_whatever_it_is(status: int, data: bytes, retry_after: str | None, answered: bool) -> None:
    failure = read_error(status, data, retry_after, answered=answered)
    assert failure.kind == f"http {status}"
    assert not (failure.again and failure.fatal)
    assert failure.again == (failure.fatal is None and (status >= 500 or status in (408, 409, 425, 429)))
    failure.detail.encode()


@given(st.text(max_size=40))
def test_retry_after_is_seconds_or_nothing(value: str) -> None:
    seconds = read_retry_after(value)
    assert seconds is None or seconds >= 0


def test_retry_after_in_both_forms() -> None:
    assert read_retry_after("7") == 7
    assert read_retry_after("0.5") == 0.5
    assert read_retry_after("-3") == 0
    assert read_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert read_retry_after(formatdate(time.time() + 100, usegmt=True)) == pytest.approx(100, abs=2)
    assert read_retry_after(None) is None
    assert read_retry_after("soon") is None
    assert read_retry_after("nan") is None


GOOD = b'{"choices": [{"message": {"content": "4"}}]}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(GOOD)
mutilated = st.builds(
    lambda whole, at, length, new: whole[:at] + new + whole[at + length :],
    st.just(HEAD + GOOD),
    st.integers(0, len(HEAD + GOOD)),
    st.integers(0, 30),
    st.binary(max_size=10)
    | st.sampled_from([b"\r\n", b"\r\n\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: br\r\n"]),
)


def talk(replies: list[bytes]) -> list[Completion | Exception]:
    """What calls come to, each of which is answered with raw bytes."""
    left = iter(replies)
    outcomes: list[Completion | Exception] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[16:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: "))
        await reader.readexactly(length)
        writer.write(next(left, b""))
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        config = OpenAIConfig(base_url=url, model="m", api_key_env=None, retries=0, timeout_s=2, rate_limit_wait_s=0)
        model = openai.OpenAIChat("actor", config)
        for _ in replies:
            try:
                (completion,) = await model.complete([Message(role="user", content="2 + 2?")], Sampling())
            except (CallFailed, ModelError) as e:
                outcomes.append(e)
            else:
                outcomes.append(Completion.model_validate(completion.model_dump()))
        await model.close()
        server.close()
        await server.wait_closed()

    asyncio.run(main())
    return outcomes


@given(st.lists(mutilated | st.binary(max_size=60), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
@example([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"])
@example([b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"])
@example([b"HTTP/1.1 999 ?\r\n\r\n"])
@example([b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"])
def test_not_even_http(replies: list[bytes]) -> None:
    assert len(talk(replies)) == len(replies)


def test_what_is_not_http_is_malformed() -> None:
    (outcome,) = talk([b"SSH-2.0-OpenSSH_9.6\r\n"])
    assert isinstance(outcome, CallFailed)
    assert outcome.kind == "malformed"


def test_http_by_hand_is_understood() -> None:
    """The raw server itself is sound: what the tests above mutilate is a good answer."""
    (outcome,) = talk([HEAD + GOOD])
    assert isinstance(outcome, Completion)
    assert outcome.text == "4"

"""How many model calls one process keeps in flight, and what a call costs it in CPU, beside the openai SDK.

    python -m benchmarks.grow_load

A server in another process answers every chat completion after one second, so that the number in flight is the client's
doing alone. Ours: `OpenAIChat`, every completion journaled before it counts. Theirs, at its best: `AsyncOpenAI` over its
aiohttp transport (over its default one a call costs twice as much), nothing journaled; its CPU is taken at 512 in flight,
its peak where more calls are offered than its default limit on connections lets through. Opening connections counts.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

from preftree.llm.base import Completion, Message, Sampling
from preftree.llm.config import OpenAIConfig
from preftree.llm.openai import OpenAIChat
from preftree.runs.journal import Journal
from preftree.tree import Position

LATENCY_S = 1.0
CALLS, IN_FLIGHT = 10_000, 2_500
SDK_CALLS, SDK_IN_FLIGHT, SDK_OFFERED = 1_000, 512, 1_500
PROMPT = "Solve the problem step by step. " * 40  # 1.3 kB, as of a first turn in the tagged style
REPLY = "Step 1: add the two numbers. " * 50  # 1.5 kB, about 350 tokens


class Load(NamedTuple):
    """What one client did."""

    calls: int
    seconds: float
    cpu_s: float
    peak: int

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds of the client's process, all its threads, per call."""
        return 1000 * self.cpu_s / self.calls

    def __str__(self) -> str:
        rate = self.calls / self.seconds
        return f"{self.calls} calls, peak {self.peak} in flight, {rate:.0f} calls/s, {self.cpu_ms:.3f} ms CPU a call"


def serve() -> None:
    """The server: prints its port, then answers until it is ended. GET /peak gives the most calls open at once."""
    open_now = peak = 0

    async def chat(request: web.Request) -> web.Response:
        nonlocal open_now, peak
        open_now += 1
        peak = max(peak, open_now)
        try:
            body = await request.json()
            await asyncio.sleep(LATENCY_S)
        finally:
            open_now -= 1
        choice = {"index": 0, "message": {"role": "assistant", "content": REPLY}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 300, "completion_tokens": 350, "total_tokens": 650}
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": body["model"]}
        return web.json_response({**answer, "choices": [choice], "usage": usage})

    async def report_peak(request: web.Request) -> web.Response:
        nonlocal peak
        answer = web.json_response(peak)
        peak = 0
        return answer

    async def main() -> None:
        app = web.Application()
        app.add_routes([web.post("/v1/chat/completions", chat), web.get("/peak", report_peak)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()

    asyncio.run(main())


@contextmanager
def server() -> Iterator[str]:
    """The address of a server in another process."""
    process = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


async def measure(address: str, calls: int, in_flight: int, call: Callable[[int], Awaitable[None]]) -> Load:
    """`calls` calls by `in_flight` workers, after one that opens what is opened only once."""
    await call(-1)
    numbers = iter(range(calls))

    async def work() -> None:
        for number in numbers:
            await call(number)

    cpu, start = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    async with aiohttp.ClientSession() as session, session.get(f"{address}/peak") as response:
        return Load(calls, seconds, cpu, await response.json())


async def ours(address: str) -> Load:
    model = OpenAIChat("load", OpenAIConfig(base_url=f"{address}/v1", model="m", api_key_env=None, max_in_flight=IN_FLIGHT))
    messages = [Message(role="user", content=PROMPT)]
    sampling = Sampling()
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.sqlite")

        async def call(number: int) -> None:
            position = Position("0123456789abcdef", "1c", "actor", 0, number)
            (completion,) = await model.complete(messages, sampling, seed=max(number, 0), position=position)
            assert completion.text == REPLY
            await keep(journal, position, completion)

        try:
            load = await measure(address, CALLS, IN_FLIGHT, call)
            assert journal.count() == CALLS + 1
            assert model.events["answer"] == CALLS + 1
        finally:
            await model.close()
            journal.close()
    return load


async def keep(journal: Journal, position: Position, completion: Completion) -> None:
    await journal.put(position, "model", completion.model_dump(mode="json"))


async def theirs(address: str, calls: int, in_flight: int) -> Load:
    import openai

    transport = openai.DefaultAioHttpClient(timeout=60)
    client = openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=5, http_client=transport)

    async def call(number: int) -> None:
        reply = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": PROMPT}],
            temperature=1.0,
            top_p=1.0,
            max_tokens=1024,
            n=1,
            seed=max(number, 0),
        )
        assert reply.choices[0].message.content == REPLY

    try:
        return await measure(address, calls, in_flight, call)
    finally:
        await client.close()


def run() -> list[dict[str, Any]]:
    """All loads, one after the other; `ratio` is how many times better ours is."""
    with server() as address:
        # Theirs first: opening our model relaxes the garbage collector for the whole process.
        sdk_peak = asyncio.run(theirs(address, SDK_OFFERED, SDK_OFFERED))
        print(f"openai SDK: {sdk_peak}", flush=True)
        sdk = asyncio.run(theirs(address, SDK_CALLS, SDK_IN_FLIGHT))
        print(f"openai SDK: {sdk}", flush=True)
        us = asyncio.run(ours(address))
        print(f"preftree:   {us}", flush=True)
    return [
        _entry("grow.in_flight", "calls", us.peak, sdk_peak.peak, us.peak / sdk_peak.peak),
        _entry("grow.cpu_ms_per_call", "ms", us.cpu_ms, sdk.cpu_ms, sdk.cpu_ms / us.cpu_ms),
    ]


def _entry(name: str, unit: str, value: float, against: float, ratio: float) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "against": round(against, 3),
        "ratio": round(ratio, 2),
    }


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        for entry in run():
            print(entry)

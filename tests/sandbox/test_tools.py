"""The tool channel, branching, replay and eviction: what a session can do beyond running cells."""

from __future__ import annotations

import asyncio

from preftree.sandbox.base import CellResult, Limits, Session
from preftree.sandbox.host import ProcessSandbox


def test_code_calls_a_function_of_the_host(sandbox: ProcessSandbox) -> None:
    asked: list[object] = []

    async def search(query: str, *, limit: int = 3) -> str:
        asked.append((query, limit))
        await asyncio.sleep(0.01)
        return f"{limit} pages on {query}"

    async def body() -> list[CellResult]:
        async with sandbox.session(tools={"search": search}) as session:
            return [await session.run("text = search('ants', limit=2)\nprint(text)"), await session.run("len(search('bees'))")]

    first, second = asyncio.run(body())
    assert first.output == "2 pages on ants"
    assert second.value == str(len("3 pages on bees"))
    assert asked == [("ants", 2), ("bees", 3)]
    call = first.calls[0]
    assert (call.name, call.arguments, call.answer, call.failed) == (
        "search",
        "(['ants'], {'limit': 2})",
        "2 pages on ants",
        False,
    )


def test_a_replay_answers_from_the_record(sandbox: ProcessSandbox) -> None:
    count = 0

    async def search(query: str) -> str:
        nonlocal count
        count += 1
        return f"{query} {count}"

    async def body() -> list[CellResult]:
        async with sandbox.session(tools={"search": search}) as session:
            return [
                await session.run("a = search('x')"),
                await session.run("1 / 0"),  # the state is lost here, and made again for the next cell
                await session.run("print(a)"),
            ]

    results = asyncio.run(body())
    assert results[-1].output == "x 1"
    assert count == 1
    assert not results[-1].diverged


def test_tools_are_bounded() -> None:
    async def flood(size: int) -> str:
        return "x" * size

    async def sleepy() -> str:
        await asyncio.sleep(60)
        return ""

    async def broken() -> str:
        raise LookupError("no such page")

    async def body() -> list[CellResult]:
        made = ProcessSandbox(Limits(seconds=2, tool_calls=3, tool_seconds=0.2, tool_chars=1000))
        tools = {"flood": flood, "sleepy": sleepy, "broken": broken}
        try:
            async with made.session(tools=tools) as session:
                return [
                    await session.run("len(flood(10_000_000))"),
                    await session.run("for i in range(4): flood(1)"),
                    await session.run("sleepy()"),
                    await session.run("broken()"),
                    await session.run("flood(open)"),
                ]
        finally:
            await made.close()

    size, many, slow, failed, odd = asyncio.run(body())
    assert size.value == "1000"
    assert "a cell may call tools 3 times" in many.output
    assert "no answer within 0.2 seconds" in slow.output
    assert "LookupError: no such page" in failed.output
    assert odd.error == "NotPlain"


def test_a_tools_time_is_not_the_cells(sandbox: ProcessSandbox) -> None:
    async def slow() -> str:
        await asyncio.sleep(1.2)
        return "done"

    async def body() -> CellResult:
        made = ProcessSandbox(Limits(seconds=1))
        try:
            async with made.session(tools={"slow": slow}) as session:
                return await session.run("slow()")
        finally:
            await made.close()

    assert asyncio.run(body()).value == "done"


def test_branches_go_their_own_way(sandbox: ProcessSandbox) -> None:
    async def body() -> list[str | None]:
        async with sandbox.session() as trunk:
            await trunk.run("x = [1]")
            async with trunk.branch() as left, trunk.branch() as right:
                await left.run("x.append(2)")
                await right.run("x.append(3)")
                return [(await session.run("x")).value for session in (trunk, left, right)]

    assert asyncio.run(body()) == ["[1]", "[1, 2]", "[1, 3]"]


def test_files_are_rolled_back_with_the_cell(sandbox: ProcessSandbox) -> None:
    async def body() -> list[CellResult]:
        async with sandbox.session() as session:
            return [
                await session.run("open('a', 'w').write('kept')"),
                await session.run("open('b', 'w').write('lost')\n1 / 0"),
                await session.run("import os\nsorted(os.listdir('.')), open('a').read()"),
            ]

    assert asyncio.run(body())[-1].value == "(['a'], 'kept')"


def test_a_replay_that_comes_out_differently_is_noticed(sandbox: ProcessSandbox) -> None:
    async def body(cells: tuple[str, ...], outputs: tuple[str, ...]) -> CellResult:
        async with sandbox.session(cells, outputs=outputs) as session:
            return await session.run("1")

    assert not asyncio.run(body(("print(5)", "x = 1"), ("5",))).diverged
    assert asyncio.run(body(("print(5)",), ("6",))).diverged
    clock = "import time\nprint(time.time_ns())"

    async def twice() -> CellResult:
        async with sandbox.session() as session:
            await session.run(clock)
            await session.run("1 / 0")
            return await session.run("2")

    assert asyncio.run(twice()).diverged


def test_idle_sessions_give_up_their_process_and_come_back() -> None:
    async def body() -> tuple[list[str | None], int, int]:
        made = ProcessSandbox(Limits(seconds=5), live=3)
        try:
            sessions: list[Session] = []
            opened = [made.session() for _ in range(8)]
            for number, context in enumerate(opened):
                session = await context.__aenter__()
                await session.run(f"x = {number}")
                sessions.append(session)
            live = len(made.live)
            values = [(await session.run("x")).value for session in sessions]
            for context in opened:
                await context.__aexit__(None, None, None)
            return values, live, made.metrics.evicted
        finally:
            await made.close()

    values, live, evicted = asyncio.run(body())
    assert values == [str(n) for n in range(8)]
    assert live == 3
    assert evicted >= 8


def test_idle_sessions_are_stopped(sandbox: ProcessSandbox) -> None:
    """A thread that counts does not count between the turns."""
    spin = "import threading\nn = 0\ndef f():\n    global n\n    while True: n += 1\n"
    spin += "threading.Thread(target=f, daemon=True).start()\na = n"

    async def body(pause: float) -> int:
        async with sandbox.session() as session:
            await session.run(spin)
            await session.run("a = n")
            await asyncio.sleep(pause)
            return int((await session.run("n - a")).value or 0)

    at_once, later = asyncio.run(body(0)), asyncio.run(body(1.0))
    # A second of counting would be millions more.
    assert later < at_once + 2_000_000


def test_metrics_count(sandbox: ProcessSandbox) -> None:
    before = sandbox.metrics.executions, sandbox.metrics.timeouts, sandbox.metrics.killed

    async def body() -> None:
        await asyncio.gather(
            sandbox.program("print(1)"),
            sandbox.program("while True: pass"),
            sandbox.program("import os\nos.kill(os.getpid(), 11)"),
        )

    asyncio.run(body())
    assert sandbox.metrics.executions == before[0] + 3
    assert sandbox.metrics.timeouts == before[1] + 1
    assert sandbox.metrics.running == sandbox.metrics.waiting == 0


def test_memory_of_all_processes_together_is_limited() -> None:
    bomb = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        x = bytearray(60 << 20)
        for i in range(0, len(x), 4096): x[i] = 1
        time.sleep(5)
        os._exit(0)
time.sleep(5)
"""

    async def body() -> tuple[str, str]:
        made = ProcessSandbox(Limits(seconds=6, memory_mib=256), tier="jail")
        try:
            result = await made.program(bomb)
            return result.status, result.stderr
        finally:
            await made.close()

    status, why = asyncio.run(body())
    assert status == "killed"
    assert "more than 256 MiB of memory together" in why

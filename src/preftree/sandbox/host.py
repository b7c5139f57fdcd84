"""The sandbox: sessions, programs and tests, each in processes of its own behind the jail."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from preftree.problem import IOTests, Tests, UnitTests
from preftree.sandbox import frames, shown, unit_tests
from preftree.sandbox.base import CellResult, Limits, ProgramResult, Session, TestReport, TestResult
from preftree.sandbox.launch import Libraries, Tier, Zygote, libraries_of
from preftree.sandbox.session import Ended, Faulty, Process

_PER_CORE: Final = 2
"""Executions at once per core; ours: one runs while another waits for the host."""
_ATTEMPTS: Final = 2


class ProcessSandbox:
    """Runs untrusted Python in jailed processes forked from a warm interpreter.

    Making one blocks for about a second: the first zygote is started and attacks on the host are tried in it. Any number
    of tasks may use it at once; `concurrency` executions run at a time and the others wait. The process's soft limit on
    open files is raised to the hard one.

    Not covered: a program can forge its own result (never a verdict, except where the report says `same_process`), use up
    its limits of time and memory, and reach kernel defects through the system calls that are left open. Files in
    the scratch folder are not rolled back when a cell fails, and processes that a cell leaves behind end with it.

    Args:
        limits: what one execution may use.
        unsafe: if there is no jail here, run without one instead of refusing; `version` then says `tier=none`.
        concurrency: executions at a time; None is two per core.

    Raises:
        SandboxUnavailable: there is no isolation here, and `unsafe` was not given.
    """

    version: str

    def __init__(self, limits: Limits | None = None, *, unsafe: bool = False, concurrency: int | None = None) -> None:
        from preftree.sandbox import canary

        self.limits = limits or Limits()
        self._concurrency = concurrency or _PER_CORE * (os.cpu_count() or 1)
        self._slots_of: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = weakref.WeakKeyDictionary()
        self._live: set[_HostSession] = set()
        self._closed = False
        _raise_descriptor_limit()
        self.tier: Tier = "jail"
        self._zygotes = self._make_zygotes("jail")
        try:
            self._zygotes["plain"].start()
            _in_thread(lambda: canary.refuse_unless_isolated(self))
        except Exception as e:
            self._close_zygotes()
            if not unsafe or not canary.is_unavailable(e):
                raise
            self.tier = "none"
            self._zygotes = self._make_zygotes("none")
            self._zygotes["plain"].start()
        python = ".".join(map(str, sys.version_info[:3]))
        self.version = f"process/1 tier={self.tier} python={python}"

    @property
    def _slots(self) -> asyncio.Semaphore:
        """What an execution waits for; one per event loop, since a semaphore belongs to one."""
        return self._slots_of.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self._concurrency))

    @staticmethod
    def _make_zygotes(tier: Tier) -> dict[Libraries, Zygote]:
        return {"plain": Zygote(tier, "plain"), "science": Zygote(tier, "science")}

    def _close_zygotes(self) -> None:
        for zygote in self._zygotes.values():
            zygote.close()

    def session(self, cells: Sequence[str] = (), *, seed: int = 0) -> AbstractAsyncContextManager[Session]:
        """A stateful interpreter; its process starts with the first cell. See `Sandbox.session`."""
        return self._session(tuple(cells), seed)

    @contextlib.asynccontextmanager
    async def _session(self, cells: tuple[str, ...], seed: int) -> AsyncIterator[Session]:
        session = _HostSession(self, list(cells), seed)
        self._live.add(session)
        try:
            yield session
        finally:
            self._live.discard(session)
            session.kill()

    async def program(self, code: str, stdin: str = "") -> ProgramResult:
        """Run a whole program once, as `__main__`; `stdout` is what it wrote, to the byte, up to `output_bytes`."""
        try:
            async with self._slots:
                ended = await self._once(frames.PROGRAM, [code], 0, self.limits.seconds, code, stdin)
        except Faulty as e:
            return ProgramResult(status="failed", stdout="", stderr=str(e))
        return ProgramResult(status=ended.status(), stdout=ended.output, stderr=ended.errors)

    async def test(self, code: str, tests: Tests, *, seed: int = 0) -> TestReport:
        """Run a solution against its tests; all of them share `limits.seconds`."""
        try:
            async with self._slots:
                if isinstance(tests, IOTests):
                    return await self._test_programs(code, tests, seed)
                return await self._test_units(code, tests, seed)
        except Faulty as e:
            return TestReport(status="failed", output=str(e))

    async def _test_programs(self, code: str, tests: IOTests, seed: int) -> TestReport:
        loop = asyncio.get_running_loop()
        end = loop.time() + self.limits.seconds
        results: list[TestResult] = []
        output = ""
        for case in tests.cases:
            left = end - loop.time()
            if left <= 0:
                results.append(TestResult(passed=False, detail="not run: the time limit of the suite was reached"))
                continue
            ended = await self._once(frames.PROGRAM, [code], seed, left, code, case.stdin)
            passed, detail = shown.compare_output(ended, case.stdout)
            output = output or ("" if passed else shown.cut(ended.errors, self.limits.shown_chars))
            results.append(TestResult(passed=passed, detail=detail))
        return TestReport(status="ok", results=tuple(results), output=output)

    async def _test_units(self, code: str, tests: UnitTests, seed: int) -> TestReport:
        loop = asyncio.get_running_loop()
        end = loop.time() + self.limits.seconds
        calls = [unit_tests.as_calls(source) for source in tests.asserts]
        results: dict[int, TestResult] = {}
        output = ""
        same_process = any(c is None for c in calls)
        flat = [call for group in calls if group for call in group]
        beside = [i for i, group in enumerate(calls) if group is None]
        for kind, sources in ((frames.CALLS, [c.source for c in flat]), (frames.ASSERTS, [tests.asserts[i] for i in beside])):
            # A suite without tests still says whether the solution runs.
            if not sources and (flat or beside or kind == frames.ASSERTS):
                continue
            left = end - loop.time()
            ended = None
            if left > 0:
                ended = await self._once(kind, [code, tests.setup, *sources], seed, left, code + "\n" + tests.setup)
                result = ended.result
                if result is None or result.status:
                    text = shown.cell_result(ended, self.limits).output
                    failed = TestResult(passed=False, detail="the solution itself does not run to its end")
                    return TestReport(status="error", results=(failed,) * len(calls), output=text, same_process=same_process)
                output = output or shown.cut(ended.output, self.limits.shown_chars)
            verdicts = shown.verdicts(ended, len(sources))
            if kind == frames.CALLS:
                judged = iter([shown.judged(call, verdict, ended) for call, verdict in zip(flat, verdicts, strict=True)])
                for i, group in enumerate(calls):
                    if group:
                        parts = [next(judged) for _ in group]
                        results[i] = next((p for p in parts if not p.passed), parts[0])
            else:
                for i, verdict in zip(beside, verdicts, strict=True):
                    results[i] = shown.asserted(tests.asserts[i], verdict, ended)
        return TestReport(
            status="ok", results=tuple(results[i] for i in sorted(results)), output=output, same_process=same_process
        )

    async def _once(
        self, kind: int, fields: list[str], seed: int, seconds: float, scan: str, stdin: str | None = None
    ) -> Ended:
        for attempt in range(_ATTEMPTS):
            try:
                process = await self._start(libraries_of(scan), seed, stdin)
                try:
                    return await process.request(kind, fields, seconds)
                finally:
                    process.kill()
            except Faulty:
                if attempt + 1 == _ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    async def _start(self, libraries: Libraries, seed: int, stdin: str | None = None) -> Process:
        """A new session's processes; the zygote is started first if it is not there."""
        if self._closed:
            raise Faulty("the sandbox has been closed")
        zygote = self._zygotes[libraries]
        if not zygote.running:
            try:
                await asyncio.to_thread(zygote.start)
            except Exception as e:
                raise Faulty(str(e)) from e
        return Process.start(zygote, self.limits, seed, stdin)

    async def self_test(self) -> list[tuple[str, bool, str]]:
        """What holds on this machine, as (check, passed, detail); for `preftree doctor`."""
        from preftree.sandbox import canary

        return await canary.self_test(self)

    async def close(self) -> None:
        """End every session and process; later calls answer `failed`."""
        self._closed = True
        for session in list(self._live):
            session.kill()
        self._close_zygotes()


class _HostSession:
    """A session: its cells so far, and the processes that hold their state, made again by replay when lost."""

    def __init__(self, sandbox: ProcessSandbox, cells: list[str], seed: int) -> None:
        self._sandbox = sandbox
        self._cells = cells
        self._seed = seed
        self._process: Process | None = None
        self._lock = asyncio.Lock()

    async def run(self, code: str) -> CellResult:
        """Run one cell; see `Session.run`."""
        limits = self._sandbox.limits
        async with self._lock, self._sandbox._slots:
            for attempt in range(_ATTEMPTS):
                try:
                    process = await self._ready(code)
                    ended = await process.request(frames.CELL, [code], limits.seconds)
                except Faulty as e:
                    self.kill()
                    if attempt + 1 == _ATTEMPTS:
                        return CellResult(status="failed", output=str(e))
                    continue
                except BaseException:
                    # Cancelled in the middle of a cell: what it would have changed must not be seen.
                    self.kill()
                    raise
                if not ended.alive:
                    self.kill()
                    if not ended.timed_out and not self._sandbox._zygotes[self._libraries].running and attempt + 1 < _ATTEMPTS:
                        continue
                result = shown.cell_result(ended, limits)
                if result.status == "ok":
                    self._cells.append(code)
                return result
        raise AssertionError("unreachable")

    async def _ready(self, code: str) -> Process:
        if self._process is None:
            self._libraries = libraries_of("\n".join([*self._cells, code]))
            self._process = await self._sandbox._start(self._libraries, self._seed)
            for cell in self._cells:
                ended = await self._process.request(frames.CELL, [cell], self._sandbox.limits.seconds)
                if not ended.alive:
                    raise Faulty("the session's earlier cells could not be run again")
        return self._process

    def kill(self) -> None:
        """End the processes; a later cell would start from the earlier cells' code."""
        if self._process is not None:
            self._process.kill()
            self._process = None


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _in_thread(work: Callable[[], Any]) -> None:
    """Run `work` in a thread of its own, so that it can have its own event loop, and wait; raises what it raises."""
    failure: list[BaseException] = []

    def body() -> None:
        try:
            work()
        except BaseException as e:
            failure.append(e)

    thread = threading.Thread(target=body, name="sandbox-canary")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]

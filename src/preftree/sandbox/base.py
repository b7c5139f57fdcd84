"""The seam to the sandbox: sessions of cells, programs, and tests; everything a model wrote runs behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import Field

from preftree.config import Config, Record
from preftree.errors import SandboxUnavailable
from preftree.problem import Tests

Status = Literal["ok", "error", "timeout", "killed", "failed"]
"""How code ended: normally; by an exception; at the time limit; at another limit; or the sandbox itself failed."""


class Limits(Config):
    """What one execution may use; the defaults are those of the specification."""

    seconds: float = Field(default=10.0, gt=0)
    """Wall and CPU time of one cell, program run or test suite."""
    memory_mib: int = Field(default=2048, ge=64)
    """Address space, in MiB."""
    scratch_mib: int = Field(default=64, ge=1)
    """The scratch folder, in MiB; also the largest file."""
    processes: int = Field(default=64, ge=1)
    """Processes and threads of one session."""
    output_bytes: int = Field(default=1 << 20, ge=1024)
    """Output that is kept; the rest is thrown away."""
    shown_chars: int = Field(default=2000, ge=100)
    """Characters of an output that the model is shown; then `...` and `[Output Truncated]`."""
    tool_calls: int = Field(default=20, ge=0)
    """Calls of tools that one cell may make; ours."""
    tool_seconds: float = Field(default=30.0, gt=0)
    """How long one call of a tool may take; it is not counted as the cell's time; ours."""
    tool_chars: int = Field(default=20_000, ge=100, le=50_000)
    """Characters of a tool's answer that the code gets; ours."""


class ToolCall(Record):
    """A function of the host that a cell has called."""

    name: str
    """The tool."""
    arguments: str
    """The positional and the named arguments, as Python shows them."""
    answer: str
    """What the code got, or the error."""
    failed: bool = False
    """Whether the tool raised, was too slow, or is unknown."""


class CellResult(Record):
    """What a notebook would show for one cell."""

    status: Status
    """How it ended."""
    output: str
    """stdout, stderr, `Out: …` of a last expression, and the traceback (`Cell In[1], line 2`), cut to `shown_chars`;
    `[Executed Successfully with No Output]` if there was nothing."""
    value: str | None = None
    """The str of the last expression's value, cut to `shown_chars`, if the cell ended in one that is not None."""
    error: str | None = None
    """The name of the exception's type, if one ended the cell."""
    calls: tuple[ToolCall, ...] = ()
    """The tools that it called, in order."""
    diverged: bool = False
    """Whether the session's earlier cells put out something else when they had to be run again."""


class ProgramResult(Record):
    """What a program did with its stdin."""

    status: Status
    """How it ended; a non-zero exit is `error`."""
    stdout: str
    """What it printed."""
    stderr: str
    """What it printed to stderr, the traceback included."""


class TestResult(Record):
    """One test's outcome."""

    passed: bool
    """Whether the solution passed it."""
    detail: str = ""
    """For people: the failing statement and the error, or expected and found output."""


class TestReport(Record):
    """A solution against its tests."""

    status: Status
    """`ok` if all tests could be run (passed or not); `error` if the solution itself raises; `failed` if the sandbox did."""
    results: tuple[TestResult, ...] = ()
    """One per test, in order; tests after a timeout count as not passed."""
    output: str = ""
    """What the solution printed and its traceback when it raises, as in `CellResult.output`; `` if nothing."""
    same_process: bool = False
    """Whether the verdict was computed in the process that ran the model's code, which could have forged it."""

    @property
    def passed(self) -> bool:
        return self.status == "ok" and bool(self.results) and all(r.passed for r in self.results)


HostFunction = Callable[..., Awaitable[str]]
"""A function of the host that code in a session may call with plain values; it gets a text."""


class Session(Protocol):
    """A stateful interpreter: what one cell defines the next can use."""

    async def run(self, code: str) -> CellResult:
        """Run one cell. A cell that raises, times out or is killed leaves the state, and the scratch folder, as before it."""
        ...

    def branch(self) -> AbstractAsyncContextManager[Session]:
        """Another session in the same state; neither sees what the other does from now on."""
        ...


@dataclass
class Metrics:
    """What a sandbox has done so far."""

    executions: int = 0
    """Cells, programs and suites of tests that were begun."""
    running: int = 0
    """How many run now."""
    waiting: int = 0
    """How many wait for one of them to end."""
    seconds_run: float = 0.0
    """Wall time of all executions together."""
    seconds_waited: float = 0.0
    """Wall time that they waited before."""
    timeouts: int = 0
    """Those that were stopped at their time limit."""
    killed: int = 0
    """Those that ended by a signal."""
    over_limits: int = 0
    """Those that the host killed for memory or threads."""
    faults: int = 0
    """Starts of a session that failed for reasons of ours; most are made again."""
    replayed: int = 0
    """Cells that were run again to make a lost state anew."""
    evicted: int = 0
    """Idle sessions that gave up their process."""

    def count(self, timed_out: bool, signal: int, reason: str) -> None:
        """Add one ended execution."""
        self.timeouts += timed_out
        self.over_limits += bool(reason)
        self.killed += bool(signal) and not timed_out and not reason


class Sandbox(Protocol):
    """Runs untrusted Python: own process, no network, nothing readable or writable but the interpreter and a scratch folder."""

    version: str
    """Name, version and isolation tier, as recorded with every run."""

    def session(
        self,
        cells: Sequence[str] = (),
        *,
        seed: int = 0,
        outputs: Sequence[str] = (),
        tools: Mapping[str, HostFunction] | None = None,
    ) -> AbstractAsyncContextManager[Session]:
        """A session in which `cells` have been run already.

        Args:
            cells: code that ended well when it was run first.
            seed: for Python's, NumPy's and SymPy's random generators.
            outputs: what those cells put out, as far as it is known; if it comes out differently, results say `diverged`.
            tools: functions of the host that the code may call by these names.
        """
        ...

    async def program(self, code: str, stdin: str = "") -> ProgramResult:
        """Run a whole program once."""
        ...

    async def test(self, code: str, tests: Tests, *, seed: int = 0) -> TestReport:
        """Run a solution against its tests."""
        ...

    async def close(self) -> None:
        """End every session and process."""
        ...


class NoSandbox:
    """Runs nothing: for replays and other uses where every execution is known to be recorded already."""

    version = "none"

    def session(
        self,
        cells: Sequence[str] = (),
        *,
        seed: int = 0,
        outputs: Sequence[str] = (),
        tools: Mapping[str, HostFunction] | None = None,
    ) -> AbstractAsyncContextManager[Session]:
        raise SandboxUnavailable("Code was to be run where nothing runs.")

    async def program(self, code: str, stdin: str = "") -> ProgramResult:
        raise SandboxUnavailable("Code was to be run where nothing runs.")

    async def test(self, code: str, tests: Tests, *, seed: int = 0) -> TestReport:
        raise SandboxUnavailable("Code was to be run where nothing runs.")

    async def close(self) -> None:
        pass

"""The seam to the sandbox: sessions of cells, programs, and tests; everything a model wrote runs behind it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
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


class Session(Protocol):
    """A stateful interpreter: what one cell defines the next can use."""

    async def run(self, code: str) -> CellResult:
        """Run one cell. A cell that raises, times out or is killed leaves the state as it was before it."""
        ...


class Sandbox(Protocol):
    """Runs untrusted Python: own process, no network, nothing readable or writable but the interpreter and a scratch folder."""

    version: str
    """Name, version and isolation tier, as recorded with every run."""

    def session(self, cells: Sequence[str] = (), *, seed: int = 0) -> AbstractAsyncContextManager[Session]:
        """A session in which `cells` have been run already (their output is thrown away)."""
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

    def session(self, cells: Sequence[str] = (), *, seed: int = 0) -> AbstractAsyncContextManager[Session]:
        raise SandboxUnavailable("Code was to be run where nothing runs.")

    async def program(self, code: str, stdin: str = "") -> ProgramResult:
        raise SandboxUnavailable("Code was to be run where nothing runs.")

    async def test(self, code: str, tests: Tests, *, seed: int = 0) -> TestReport:
        raise SandboxUnavailable("Code was to be run where nothing runs.")

    async def close(self) -> None:
        pass

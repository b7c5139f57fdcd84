"""Which tier of isolation this machine gives, found out by attacking it, and what each layer is there for."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from preftree.errors import SandboxUnavailable
from preftree.sandbox import canary, landlock, launch, seccomp
from preftree.sandbox.launch import Tier

if TYPE_CHECKING:
    from preftree.sandbox.host import ProcessSandbox


class Layer(NamedTuple):
    """One layer of the isolation, as `preftree doctor` shows it."""

    name: str
    """What it is called."""
    there: bool
    """Whether this machine's sandbox has it."""
    detail: str
    """More about it here."""
    without: str
    """What its absence leaves open."""


def choose(sandbox: ProcessSandbox, wanted: Sequence[Tier], *, unsafe: bool) -> Tier:
    """Put the sandbox into the first of the wanted tiers that starts and withstands the attacks.

    Raises:
        SandboxUnavailable: none of them does, and `unsafe` was not given.
    """
    reasons: list[str] = []
    for tier in wanted:
        try:
            sandbox.use(tier)
            _in_thread(lambda: canary.refuse_unless_isolated(sandbox))
            return tier
        except SandboxUnavailable as e:
            reasons.append(f"{tier}: {e.why}")
    if unsafe:
        sandbox.use("none")
        return "none"
    raise launch.unavailable("; ".join(reasons))


def layers(tier: Tier) -> list[Layer]:
    """The layers of a tier on this machine."""
    jailed, kept = tier == "jail", tier != "none"
    version = landlock.abi()
    return [
        Layer(
            "own process, clean environment", True, "forked from a fresh interpreter", "keys in the environment could be read"
        ),
        Layer("user namespace, no capabilities", jailed, "", "the process keeps the user's own number"),
        Layer("private root", jailed, "read-only Python, a scratch folder", "paths outside can be told to exist"),
        Layer("process, network, IPC namespaces", jailed, "", "held by the filter alone: no sockets, no signals, no processes"),
        Layer("scratch folder", jailed, "", "code cannot write any file"),
        Layer(
            "Landlock",
            kept and version > 0,
            f"version {version}" if version else "not in this kernel",
            "files are kept by the private root alone",
        ),
        Layer(
            "system call filter",
            kept and seccomp.supported(),
            f"allow list, {platform.machine()}",
            "all of the kernel is in reach",
        ),
        Layer("limits of time, memory, output", True, "the kernel's and the host's", "code could use up the machine"),
    ]


def user() -> str:
    """Who runs this, for the table's title."""
    return "root" if os.geteuid() == 0 else f"user {os.geteuid()}"


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

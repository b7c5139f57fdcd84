"""What a session's processes use together, read from /proc by the host; they cannot fake it."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Final, NamedTuple

_PAGE: Final = os.sysconf("SC_PAGESIZE")
_RESIDENT, _THREADS = 1, 17
"""Fields: of statm, and of stat after the command's name."""


class Used(NamedTuple):
    """Of all processes of a session."""

    bytes: int
    """Resident memory."""
    threads: int
    """Threads, the first one of each process included."""


def process_of(pidfd: int) -> int | None:
    """The process number that a pidfd stands for, as this process sees it; None once it has ended."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text(encoding="ascii").splitlines():
            if line.startswith("Pid:"):
                pid = int(line.split()[1])
                return pid if pid > 0 else None
    return None


def used_by(pidfd: int, *, exact: bool = False) -> Used:
    """Memory and threads of a process and of everything below it; zeros once it has ended.

    Pages that several processes share are counted in each, unless `exact`, which divides them among their users and is
    slower (ours: a cheap look, which can only err on the high side, is confirmed by an exact one).
    """
    first = process_of(pidfd)
    pids = [first] if first else []
    total = threads = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            pids += _children(pid)
            total += _proportional(pid) if exact else _resident(pid)
            threads += _threads(pid)
    return Used(total, threads)


def resident(pid: int) -> int:
    """Bytes of resident memory of one process; 0 once it has ended."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return _resident(pid)
    return 0


def first_child(pid: int) -> int | None:
    """The oldest process that `pid` has started; None if there is none."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return _children(pid)[0]
    return None


def exceeds(pidfd: int, used: Used, limit: int) -> bool:
    """Whether a session's processes use more than `limit` bytes together, given the first look at them."""
    return used.bytes > limit and used_by(pidfd, exact=True).bytes > limit


def kill_group(pidfd: int) -> None:
    """Kill the process group that a session without isolation leads."""
    pid = process_of(pidfd)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    # By each of its threads: a child belongs to the thread that forked it.
    tasks = Path(f"/proc/{pid}/task")
    texts = [(task / "children").read_text(encoding="ascii") for task in tasks.iterdir()]
    return [int(child) for text in texts for child in text.split()]


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[_RESIDENT]) * _PAGE


def _threads(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[_THREADS])


def _proportional(pid: int) -> int:
    with contextlib.suppress(PermissionError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return _resident(pid)

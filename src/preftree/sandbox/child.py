"""A session's processes, seen from inside.

The first process of a session, the keeper, jails itself and waits for requests. Each request runs in a fork of the
head: the process that holds the state so far, at first the keeper. If a cell succeeds, its process kills the old head
and becomes the head; if it fails, the old head goes on as if nothing had been. Programs and tests always leave the head
as it was.

All of this runs beside the model's code after the first request, so nothing here is relied on for safety: the limits are the
kernel's and the host's, and the host takes a reply as data.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import signal
import socket
import sys
import threading
import time
from typing import Any, Final, NamedTuple

from preftree.sandbox import cells, frames, jail

_CHANNEL: Final = 3


class _World(NamedTuple):
    channel: socket.socket
    shell: Any
    committed: mmap.mmap
    """One shared byte: whether the keeper has been followed by another head."""
    owns_namespace: bool
    """Whether `kill(-1)` reaches this session's processes only."""
    seed: int


def session_main(message: bytes, descriptors: list[int], proc: int, program: bytes, shell: Any) -> None:
    """The life of a session's first process; does not return. `program` is empty where there is no jail."""
    channel = None
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        seconds, memory, scratch_bytes, processes, seed = frames.SPAWN.unpack_from(message)
        channel = _arrange_descriptors(descriptors, proc)
        limits = jail.SessionLimits(seconds, memory, scratch_bytes, processes)
        if program:
            jail.enter_session(_CHANNEL + 1, limits, program)
        else:
            jail.die_with_parent()
            os.setsid()
            os.chdir(message[frames.SPAWN.size :])
            jail.set_limits(limits, count_processes=False)
        _send_with_own_pidfd(channel, frames.HELLO, bytes(16))
    except BaseException as e:
        if channel is not None:
            channel.send(frames.pack(frames.HELLO, bytes(16), [f"{type(e).__name__}: {e}"], status=1))
        os._exit(1)
    try:
        owns = bool(program) and os.getpid() == 1
        _serve(_World(channel, shell, mmap.mmap(-1, 1), owns, seed))
    finally:
        os._exit(1)


def _arrange_descriptors(descriptors: list[int], proc: int) -> socket.socket:
    """Standard streams at 0 to 2, the channel at 3, /proc at 4 until the jail is shut, and nothing else open."""
    high = [os.dup2(fd, 100 + i) for i, fd in enumerate([*descriptors, *([proc] if proc >= 0 else [])])]
    for i, fd in enumerate(high):
        os.dup2(fd, i, inheritable=i < _CHANNEL)
    os.closerange(len(high), 1 << 20)
    return socket.socket(fileno=_CHANNEL)


def _send_with_own_pidfd(channel: socket.socket, kind: int, nonce: bytes) -> None:
    fd = os.pidfd_open(os.getpid())
    socket.send_fds(channel, [frames.pack(kind, nonce)], [fd])
    os.close(fd)


def _serve(world: _World) -> None:
    """Requests until the host goes. Every head is here, each in its own process."""
    keeper = True
    while True:
        request = frames.receive_request(world.channel)
        if request is None:
            os._exit(0)
        parent = os.getpid()
        pid = _fork()
        if pid == 0:
            # Returns only in the process that is the new head.
            _run(world, request, 0 if keeper else parent)
            keeper = False
            continue
        status = _wait(pid)
        if keeper and world.committed[0]:
            _keep()
        _clear(world, pid)
        killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        code = None if killed else str(os.WEXITSTATUS(status))
        world.channel.send(frames.pack(frames.DONE, request.nonce, [code], status=killed))


def _fork() -> int:
    """fork, but the child goes on with the same random numbers: Python seeds its generator anew in every child."""
    state = random.getstate()
    for left in reversed(range(2000)):
        try:
            pid = os.fork()
            break
        except BlockingIOError:
            # Processes that the last cell left behind are counted until they have been reaped.
            if not left:
                raise
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(0.001)
    if pid == 0:
        random.setstate(state)
    return pid


def _wait(pid: int) -> int:
    """The wait status of child `pid`; others that end meanwhile are reaped."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            return status


def _keep() -> None:
    """What remains for the keeper once another process is the head: reap, and end with the last."""
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        os._exit(0)


def _clear(world: _World, leader: int) -> None:
    """Kill whatever a request has left behind. `leader` was the process that ran it, or is an old head that has to go."""
    if not world.owns_namespace:
        for kill in (os.kill, os.killpg) if leader else ():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(leader, signal.SIGKILL)
        return
    # -1 is every process of the pid namespace but the keeper and the caller. A fork under way fails: its signal is pending.
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)


def _run(world: _World, request: frames.Frame, old_head: int) -> None:
    """Run a request in this fresh process. Returns if it is now the head, and ends the process otherwise."""
    channel, nonce = world.channel, request.nonce
    if not world.owns_namespace:
        os.setpgid(0, 0)
    # Sent before any code of the model's runs, so that it names this process for certain.
    _send_with_own_pidfd(channel, frames.STARTED, nonce)
    if request.kind == frames.PROGRAM:
        cells.open_streams(line_buffering=False)
        cells.seed_random(world.seed)
        code = cells.run_program(request.text(0) or "")
        os._exit(code)
    cells.open_streams(line_buffering=True)
    code_text = request.text(0) or ""
    if request.kind == frames.CELL:
        outcome = cells.run_cell(world.shell, code_text, world.seed)
        _flush()
        channel.send(frames.pack(frames.RESULT, nonce, outcome.fields(), status=outcome.status))
        if outcome.status:
            os._exit(0)
        if threading.active_count() > 1 and os.fork():
            # Threads of the cell must not write into the next one: only the forking thread goes on.
            time.sleep(60)
            os._exit(0)
        world.committed[0] = 1
        _clear(world, old_head)
        channel.send(frames.pack(frames.DONE, nonce, ["0"]))
        return
    tests = [request.text(i) or "" for i in range(2, len(request.fields))]
    namespace, outcome = cells.prepare_tests(world.shell, code_text, request.text(1) or "", world.seed)
    _flush()
    channel.send(frames.pack(frames.RESULT, nonce, outcome.fields(), status=outcome.status))
    if outcome.status == 0:
        test = cells.call if request.kind == frames.CALLS else cells.check
        for index, source in enumerate(tests):
            failed, answer = test(namespace, source)
            channel.send(frames.pack(frames.VERDICT, nonce, [str(index), answer], status=failed))
    os._exit(0)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()

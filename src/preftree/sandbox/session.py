"""One session as the host sees it: a socket, an output file in memory, and the right to kill."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import tempfile
from typing import Final, NamedTuple

from preftree.sandbox import frames
from preftree.sandbox.base import Limits, Status
from preftree.sandbox.launch import Zygote

_KILL_SECONDS: Final = 3.0
"""How long a killed cell may take to be gone before its whole session is killed; ours."""
_ADD_SEALS, _SEAL_ALL = 1033, 0x1 | 0x2 | 0x4
_MARGIN: Final = 4096


class Faulty(Exception):
    """The sandbox itself could not do its work."""


class _Gone(Exception):
    """The session's processes have ended."""


class Ended(NamedTuple):
    """How a request ended."""

    alive: bool
    """Whether the session's processes are there for another request."""
    timed_out: bool
    signal: int
    """The signal that killed its process, or 0."""
    exit_code: int | None
    result: frames.Frame | None
    verdicts: tuple[frames.Frame, ...]
    output: str
    """What it wrote to descriptor 1 (and 2, for cells)."""
    errors: str
    """What a program wrote to descriptor 2."""

    def status(self) -> Status:
        """As the contract names it, for a request whose process has ended."""
        if self.timed_out or self.signal == signal.SIGXCPU:
            return "timeout"
        if self.signal:
            return "killed"
        return "error" if self.exit_code else "ok"


class _Sink:
    """A file in memory of a fixed size that a child writes to; the shared offset tells how far."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.fd = os.memfd_create("output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size + _MARGIN)
        fcntl.fcntl(self.fd, _ADD_SEALS, _SEAL_ALL)

    def take(self) -> str:
        """What was written since the last call."""
        end = min(os.lseek(self.fd, 0, os.SEEK_CUR), self._size)
        data = os.pread(self.fd, end, 0)
        os.lseek(self.fd, 0, os.SEEK_SET)
        return data.decode("utf-8", "replace")


class Process:
    """The processes of one session. Made by `start`; `kill` frees everything."""

    def __init__(self, limits: Limits, channel: socket.socket, sinks: list[_Sink], scratch: str | None) -> None:
        self._limits = limits
        self._channel = channel
        self._sinks = sinks
        self._scratch = scratch
        self._keeper: int | None = None

    @classmethod
    def start(cls, zygote: Zygote, limits: Limits, seed: int, stdin: str | None = None) -> Process:
        """Ask the zygote for a session. With `stdin` (a program's) the two output streams are kept apart.

        Raises:
            Faulty: the zygote does not answer, or the host is out of descriptors.
        """
        with contextlib.ExitStack() as close:
            try:
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                close.callback(theirs.close)
                undo = close.enter_context(contextlib.ExitStack())
                undo.callback(ours.close)
                ours.setblocking(False)
                sinks = [_Sink(limits.output_bytes)]
                undo.callback(os.close, sinks[0].fd)
                if stdin is not None:
                    sinks.append(_Sink(limits.output_bytes))
                    undo.callback(os.close, sinks[1].fd)
                source = _source(stdin)
                close.callback(os.close, source)
                scratch = None
                if zygote.tier == "none":
                    scratch = tempfile.mkdtemp(prefix="preftree-unsafe-")
                    undo.callback(shutil.rmtree, scratch, ignore_errors=True)
                packet = frames.SPAWN.pack(
                    limits.seconds, limits.memory_mib << 20, limits.scratch_mib << 20, limits.processes, seed % 2**64
                )
                descriptors = [source, sinks[0].fd, sinks[-1].fd, theirs.fileno()]
                zygote.spawn(packet + (scratch or "").encode(), descriptors)
                undo.pop_all()
            except OSError as e:
                raise Faulty(str(e)) from e
        return cls(limits, ours, sinks, scratch)

    async def request(self, kind: int, fields: list[str], seconds: float) -> Ended:
        """Have the session do something, for at most `seconds`.

        Raises:
            Faulty: the session never began: no jail, or no zygote.
        """
        run = _Request(os.urandom(16), allowed=len(fields) + 16)
        timed_out = False
        try:
            try:
                async with asyncio.timeout(seconds):
                    for packet in frames.request_packets(frames.pack(kind, run.nonce, fields)):
                        await asyncio.get_running_loop().sock_sendall(self._channel, packet)
                    await self._receive(run)
            except TimeoutError:
                timed_out = True
                if run.process is not None:
                    _kill(run.process)
                    async with asyncio.timeout(_KILL_SECONDS):
                        await self._receive(run)
        except (_Gone, OSError) as e:  # a TimeoutError is an OSError
            if self._keeper is None and not timed_out:
                raise Faulty(f"the session's process ended before it began: {e}") from None
        finally:
            if run.process is not None:
                os.close(run.process)
        return self._ended(run, timed_out)

    def _ended(self, run: _Request, timed_out: bool) -> Ended:
        if run.done is None:
            # Some of it may still run.
            if self._keeper is not None:
                _kill(self._keeper)
            killed, code = int(signal.SIGKILL), None
        else:
            killed, code = run.done.status, run.done.text(0)
        exit_code = int(code) if code is not None and code.isdecimal() and len(code) < 4 else None
        output = self._sinks[0].take()
        errors = self._sinks[1].take() if len(self._sinks) > 1 else ""
        return Ended(run.done is not None, timed_out, killed, exit_code, run.result, tuple(run.verdicts), output, errors)

    async def _receive(self, run: _Request) -> None:
        while run.done is None:
            data, descriptors = await self._packet()
            try:
                if not data:
                    raise _Gone
                self._take(run, frames.unpack(data), descriptors)
            except frames.BadFrame:
                pass
            finally:
                for fd in descriptors:
                    os.close(fd)
            run.packets += 1
            if run.packets > run.allowed:
                # More frames than any honest child sends: the rest is not read.
                raise _Gone

    def _take(self, run: _Request, frame: frames.Frame, descriptors: list[int]) -> None:
        if frame.kind == frames.HELLO and self._keeper is None:
            if frame.status or not descriptors:
                raise Faulty(frame.text(0) or "no process")
            self._keeper = descriptors.pop(0)
        elif frame.nonce != run.nonce:
            pass
        elif frame.kind == frames.STARTED and run.process is None and descriptors:
            run.process = descriptors.pop(0)
        elif frame.kind == frames.RESULT and run.result is None:
            run.result = frame
        elif frame.kind == frames.VERDICT:
            run.verdicts.append(frame)
        elif frame.kind == frames.DONE:
            run.done = frame

    async def _packet(self) -> tuple[bytes, list[int]]:
        loop = asyncio.get_running_loop()
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._channel, frames.MAX_PACKET, 1, socket.MSG_CMSG_CLOEXEC)
                return data, descriptors
            except BlockingIOError:
                ready: asyncio.Future[None] = loop.create_future()
                loop.add_reader(self._channel, _wake, ready)
                try:
                    await ready
                finally:
                    loop.remove_reader(self._channel)

    def kill(self) -> None:
        """End every process of the session and free what it held. May be called twice."""
        if self._channel.fileno() < 0:
            return
        # After this no process can be started unseen: it would fail to report itself, and end.
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        while self._keeper is None:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._channel, frames.MAX_PACKET, 1, socket.MSG_CMSG_CLOEXEC)
            except OSError:
                break
            if not data:
                break
            if descriptors:
                self._keeper = descriptors[0]
        if self._keeper is not None:
            _kill(self._keeper)
            os.close(self._keeper)
        self._channel.close()
        for sink in self._sinks:
            os.close(sink.fd)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)


class _Request:
    """What has come of a request so far; at most `allowed` packets are read."""

    def __init__(self, nonce: bytes, allowed: int) -> None:
        self.nonce = nonce
        self.allowed = allowed
        self.packets = 0
        self.process: int | None = None
        self.result: frames.Frame | None = None
        self.verdicts: list[frames.Frame] = []
        self.done: frames.Frame | None = None


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _kill(pidfd: int) -> None:
    with contextlib.suppress(OSError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)


def _source(stdin: str | None) -> int:
    if stdin is None:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    fd = os.memfd_create("stdin", os.MFD_CLOEXEC)
    data = stdin.encode("utf-8", "surrogatepass")
    at = 0
    while at < len(data):
        at += os.write(fd, data[at:])
    os.lseek(fd, 0, os.SEEK_SET)
    return fd

"""The zygote: a fresh interpreter that loads the libraries once, isolated, and forks a process per session.

Run as a script by the host, in a clean environment. It must not import the package's own dependencies, so it puts an empty
`preftree` package in front and loads only the modules beside it.

Arguments: descriptor of the control socket, tier, libraries, `shell` or `programs`, and the folders to show inside.
Control messages from the host are one packet with the session's limits and four descriptors: stdin, stdout, stderr, channel.
A session reports itself on its own channel, on which the zygote says DONE when it has ended.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import types
from pathlib import Path

if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    for name, folder in (("preftree", here.parent), ("preftree.sandbox", here)):
        stub = types.ModuleType(name)
        stub.__path__ = [str(folder)]
        sys.modules[name] = stub

import platform

from preftree.sandbox import cells, child, confine, frames, jail, seccomp

PRELOAD = {
    "base": "bisect collections cmath datetime decimal fractions functools heapq itertools json math operator random re "
    "statistics string typing linecache threading traceback dataclasses copy",
    "sci": "numpy numpy.random numpy.linalg sympy scipy scipy.special scipy.optimize scipy.stats",
    "pandas": "numpy numpy.random pandas",
}


def main(arguments: list[str]) -> None:
    """Start the zygote and serve until the host goes."""
    control = socket.socket(fileno=int(arguments[0]))
    tier, libraries, kind, paths = arguments[1], arguments[2], arguments[3], arguments[4:]
    proc = -1
    try:
        if tier == "jail":
            proc = jail.enter_outer(paths)
            launched = os.fork()
            if launched:
                control.close()
                os.waitpid(launched, 0)
                os._exit(0)
            jail.die_with_parent()
            os.chdir(jail.SCRATCH)
        shell = _load(libraries, shell=kind == "shell")
        if tier == "jail":
            jail.check_single_threaded(proc)
        world = child.Setup(tier, proc, shell)
        if tier != "none":
            jail.no_new_privileges()
            world = world._replace(rules=confine.rules(tier, paths), program=seccomp.build_inner(platform.machine(), tier))
            seccomp.install(seccomp.build_outer(platform.machine(), tier))
    except Exception as e:
        control.send(f"failed\n{type(e).__name__}: {e}".encode()[: frames.MAX_PACKET])
        os._exit(1)
    gc.collect()
    gc.freeze()
    _serve(control, world)


def _load(libraries: str, *, shell: bool) -> object:
    """Import what the sessions will want, and run it once; None where no cells will be run."""
    for module in PRELOAD["base"].split():
        __import__(module)
    for module in PRELOAD[libraries].split():
        # What is not installed is not offered.
        with contextlib.suppress(ModuleNotFoundError):
            __import__(module)
    if not shell:
        cells.warm_up_programs()
        return None
    made = cells.make_shell()
    cells.warm_up(made)
    return made


def _serve(control: socket.socket, world: child.Setup) -> None:
    own = os.open("self/ns/pid", os.O_RDONLY, dir_fd=world.proc) if world.tier == "jail" else -1
    wake, ring = socket.socketpair()
    wake.setblocking(False)
    ring.setblocking(False)
    signal.set_wakeup_fd(ring.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    channels: dict[int, socket.socket] = {}
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(wake, select.POLLIN)
    control.send(b"ready\n")
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if wake.fileno() in ready:
            with contextlib.suppress(BlockingIOError):
                wake.recv(4096)
            _reap(channels)
        if control.fileno() not in ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(control, 4096, 4)
        if not message:
            os._exit(0)
        if world.tier == "jail":
            jail.new_pid_namespace(own)
        channel = socket.socket(fileno=descriptors[3])
        try:
            pid = os.fork()
        except OSError as e:
            _tell(channel, frames.pack(frames.REFUSED, frames.NO_NONCE, [f"fork: {e}"]))
            pid = -1
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            child.session_main(message, descriptors, world)
        if pid > 0:
            channels[pid] = channel
        else:
            channel.close()
        for descriptor in descriptors[:3]:
            os.close(descriptor)


def _reap(channels: dict[int, socket.socket]) -> None:
    """Tell the hosts of sessions that have ended how they did."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        channel = channels.pop(pid, None)
        if channel is not None:
            killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            code = None if killed else str(os.WEXITSTATUS(status))
            _tell(channel, frames.pack(frames.DONE, frames.NO_NONCE, [code], status=killed))
            channel.close()


def _tell(channel: socket.socket, packet: bytes) -> None:
    with contextlib.suppress(OSError):
        channel.send(packet, socket.MSG_DONTWAIT)


if __name__ == "__main__":
    main(sys.argv[1:])

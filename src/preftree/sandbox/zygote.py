"""The zygote: a fresh interpreter that loads the libraries once, inside the jail, and forks a process per session.

Run as a script by the host, in a clean environment. It must not import the package's own dependencies, so it puts an empty
`preftree` package in front and loads only the modules beside it.

Arguments: descriptor of the control socket, tier (`jail` or `none`), libraries (`plain` or `science`), and the folders
to show inside.
Control messages from the host are one packet with the session's limits and four descriptors: stdin, stdout, stderr, channel.
"""

from __future__ import annotations

import gc
import os
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

from preftree.sandbox import cells, child, frames, jail, seccomp

PRELOAD = {
    "plain": "bisect collections cmath datetime decimal fractions functools heapq itertools json math operator random re "
    "statistics string typing",
    "science": "numpy numpy.random numpy.linalg sympy",
}


def main(arguments: list[str]) -> None:
    """Start the zygote and serve until the host goes."""
    control = socket.socket(fileno=int(arguments[0]))
    tier, libraries, paths = arguments[1], arguments[2], arguments[3:]
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
        for module in PRELOAD["plain"].split() + (PRELOAD["science"].split() if libraries == "science" else []):
            __import__(module)
        shell = cells.make_shell()
        cells.warm_up(shell)
        if tier == "jail":
            jail.check_single_threaded(proc)
    except Exception as e:
        control.send(f"failed\n{type(e).__name__}: {e}".encode()[: frames.MAX_PACKET])
        os._exit(1)
    # Children are never waited for here: the kernel reaps them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    program = seccomp.build(platform.machine()) if tier == "jail" else b""
    own = os.open("self/ns/pid", os.O_RDONLY, dir_fd=proc) if tier == "jail" else -1
    control.send(b"ready\n")
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 4096, 4)
        if not message:
            os._exit(0)
        if tier == "jail":
            jail.new_pid_namespace(own)
        if os.fork() == 0:
            child.session_main(message, descriptors, proc, program, shell)
        for descriptor in descriptors:
            os.close(descriptor)


if __name__ == "__main__":
    main(sys.argv[1:])

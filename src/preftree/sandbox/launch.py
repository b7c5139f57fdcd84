"""Starts zygotes and keeps them alive: one per set of libraries, each in its own exec'd interpreter."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import socket
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Final, Literal

from preftree.errors import SandboxUnavailable

Tier = Literal["jail", "none"]
Libraries = Literal["plain", "science"]

_START_SECONDS: Final = 60.0
_SCIENCE: Final = re.compile(r"^[ \t]*(?:import|from)[ \t][^\n#]*\b(?:numpy|sympy)\b", re.MULTILINE)
_PACKAGES: Final = ("IPython", "numpy", "sympy")


def libraries_of(code: str) -> Libraries:
    """Which zygote suits `code`: the one with NumPy and SymPy loaded if it imports one of them."""
    return "science" if _SCIENCE.search(code) else "plain"


def installation() -> list[str]:
    """The folders that the interpreter and the libraries for the sandbox are read from."""
    folders = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    folders |= {str(Path(sys.executable).resolve().parent)}
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin:
            folders.add(str(Path(spec.origin).parents[1]))
    return sorted(os.path.abspath(folder) for folder in folders if folder not in ("", "/"))


def _environment() -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": "/scratch",
        "TMPDIR": "/scratch",
        "USER": "user",
        "LOGNAME": "user",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "dumb",
        "IPYTHONDIR": "/scratch/.ipython",
        "MPLBACKEND": "Agg",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


class Zygote:
    """One zygote process; `spawn` forks sessions from it and starts it again if it has died. Usable from any thread."""

    def __init__(self, tier: Tier, libraries: Libraries) -> None:
        self.tier = tier
        self.libraries = libraries
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    @property
    def running(self) -> bool:
        """Whether the process is there. It holds the other end of the control socket alone, and never writes to it again."""
        control = self._control
        if control is None or self._process is None or self._process.poll() is not None:
            return False
        try:
            return bool(control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def start(self) -> None:
        """Start the process unless it runs, and wait until it is ready. Blocks for up to a second or so.

        Raises:
            SandboxUnavailable: the jail cannot be built here, or the interpreter does not start.
        """
        with self._lock:
            if self._closed:
                raise SandboxUnavailable("The sandbox has been closed.", hint="open a new one")
            if not self.running:
                self._stop()
                self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        script = Path(__file__).with_name("zygote.py")
        with theirs:
            command = [sys.executable, "-s", "-P", "-X", "utf8", str(script), str(theirs.fileno()), self.tier, self.libraries]
            self._process = subprocess.Popen(
                [*command, *installation()],
                pass_fds=[theirs.fileno()],
                env=_environment() | ({"HOME": "/tmp", "TMPDIR": "/tmp"} if self.tier == "none" else {}),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._finalizer = weakref.finalize(self, _end, ours, self._process)
        ours.settimeout(_START_SECONDS)
        try:
            answer = ours.recv(65536).decode("utf-8", "replace")
        except TimeoutError:
            answer = f"failed\nno answer after {_START_SECONDS:.0f} s"
        # Blocking from here on: a socket with a timeout waits for it even where it is asked not to.
        ours.settimeout(None)
        if answer != "ready\n":
            self._stop()
            reason = answer.removeprefix("failed\n").strip() or "its interpreter ended at once"
            raise unavailable(reason)
        # Only now: until it is ready, `running` is asked by others and must not wait on this socket's timeout.
        self._control = ours

    def spawn(self, packet: bytes, descriptors: list[int]) -> None:
        """Ask for a session; its processes report on the channel among `descriptors`.

        Raises:
            OSError: the zygote has died; `start` brings it back.
        """
        with self._lock:
            if self._control is None:
                raise BrokenPipeError("the zygote does not run")
            socket.send_fds(self._control, [packet], descriptors)

    def close(self) -> None:
        """End the process, and with it every session in its pid namespace."""
        with self._lock:
            self._closed = True
            self._stop()

    def _stop(self) -> None:
        if self._process is not None:
            self._finalizer()
        self._control = self._process = None


def _end(control: socket.socket, process: subprocess.Popen[bytes]) -> None:
    control.close()
    # In the jail, the zygote is the launcher's child: it dies with it, and its pid namespace with that.
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait()


def unavailable(reason: str) -> SandboxUnavailable:
    """The refusal, with the one line that mends it where one is known."""
    hint = "run on Linux 5.12 or newer as root or with unprivileged user namespaces; or accept the risk with --unsafe-exec"
    fixes = (
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
    )
    for path, bad, fix in fixes:
        with contextlib.suppress(OSError):
            if Path(path).read_text(encoding="ascii").strip() == bad:
                hint = f"as root: {fix}"
                break
    else:
        if os.path.exists("/.dockerenv"):
            hint = "in Docker: docker run --security-opt seccomp=unconfined …; or accept the risk with --unsafe-exec"
    return SandboxUnavailable(
        "This machine cannot isolate untrusted code.",
        where=f"Linux {os.uname().release}, user {os.geteuid()}",
        why=reason,
        hint=hint,
    )

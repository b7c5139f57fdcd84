"""Restricted hosts, made on any host: an interpreter behind a filter that refuses what such a machine refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Literal

Refused = Literal["namespaces", "landlock", "seccomp"]

# Makes the kernel refuse calls to the interpreter that follows, and gives up root first where that is asked for. The
# private mounts make an interpreter below /root reachable for an ordinary user.
_PRELUDE = """
import ctypes, os, platform, struct, sys
refused, user, code = sys.argv[1].split(","), int(sys.argv[2]), sys.argv[3]
libc = ctypes.CDLL(None, use_errno=True)
if user and os.geteuid() == 0:
    base = os.path.realpath(sys.base_prefix)
    top = "/" + base.split("/")[1]
    if os.stat(top).st_mode & 0o5 != 0o5:
        assert libc.unshare(0x20000) == 0
        assert libc.mount(b"none", b"/", None, 16384 | 1 << 18, None) == 0
        kept = os.open(base, os.O_PATH)
        assert libc.mount(b"tmpfs", top.encode(), b"tmpfs", 0, b"mode=755") == 0
        os.makedirs(base, 0o755)
        assert libc.mount(f"/proc/self/fd/{kept}".encode(), base.encode(), None, 4096 | 16384, None) == 0
    os.setgroups([]); os.setresgid(user, user, user); os.setresuid(user, user, user)
    os.environ.update(HOME="/tmp", USER="somebody")
unshare, landlock, prctl, seccomp = {"x86_64": (272, 444, 157, 317), "aarch64": (97, 444, 167, 277)}[platform.machine()]
LD, JEQ, RET, ALLOW, ERRNO = 0x20, 0x15, 6, 0x7fff0000, 0x50000
program = [(LD, 0, 0, 0)]
if "namespaces" in refused:
    program += [(JEQ, 0, 1, unshare), (RET, 0, 0, ERRNO | 1)]
if "landlock" in refused:
    program += [(JEQ, 0, 1, landlock), (RET, 0, 0, ERRNO | 38)]
if "seccomp" in refused:
    program += [(JEQ, 0, 1, seccomp), (RET, 0, 0, ERRNO | 22)]
    program += [(JEQ, 0, 3, prctl), (LD, 0, 0, 16), (JEQ, 0, 1, 22), (RET, 0, 0, ERRNO | 22)]
program.append((RET, 0, 0, ALLOW))
filter = b"".join(struct.pack("<HBBI", *i) for i in program)
class P(ctypes.Structure):
    _fields_ = [("n", ctypes.c_ushort), ("code", ctypes.c_char_p)]
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(P(len(program), filter)), 0, 0) == 0
os.chdir("/")
os.execv(sys.executable, [sys.executable, "-c", code])
"""


def on_host(
    code: str, refuses: tuple[Refused, ...] = (), *, user: int = 0, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run Python code on a host that refuses something, as root or as another user (0 keeps who runs the tests)."""
    source = str(Path(sys.modules["preftree"].__path__[0]).parent)
    command = [sys.executable, "-c", _PRELUDE, ",".join(refuses), str(user), textwrap.dedent(code)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, check=False, env={**os.environ, "PYTHONPATH": source}
    )

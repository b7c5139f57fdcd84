"""What code inside can not do. Attacks that do no harm are first shown to work without the sandbox."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from preftree.sandbox.base import CellResult, Limits
from preftree.sandbox.host import ProcessSandbox

Cells = Callable[..., list[CellResult]]


def outside(code: str) -> str:
    """What `code` prints in a plain interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip() or done.stderr.strip().rsplit("\n", 1)[-1]


def test_files_outside_cannot_be_read(cells: Cells, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("planted")
    code = f"print(open({str(secret)!r}).read())"
    assert outside(code) == "planted"
    assert cells(code)[0].error == "FileNotFoundError"


@pytest.mark.parametrize(
    "path", ["/proc/1/environ", "/proc/self/mem", "/etc/shadow", "/etc/hostname", "/root", "/home", "/sys", "/var", "/dev/sda"]
)
def test_system_files_are_not_there(cells: Cells, path: str) -> None:
    hidden, listing = cells(f"open({path!r})", "import os\nsorted(os.listdir('/'))")
    assert hidden.status == "error"
    if path == "/root" and sys.base_prefix.startswith("/root"):
        assert hidden.error == "IsADirectoryError"  # only what leads to the interpreter
    else:
        assert hidden.error == "FileNotFoundError"
    assert "proc" not in (listing.value or "proc")


def test_nothing_but_the_scratch_folder_can_be_written(cells: Cells) -> None:
    code = f"""
import os
written = []
for folder in ["/", "/etc", "/usr/lib", "/dev", {sys.prefix!r}, {sys.base_prefix!r}, os.path.dirname(os.__file__), "/scratch"]:
    try:
        open(folder + "/x", "w").close()
        written.append(folder)
    except OSError:
        pass
written"""
    assert cells(code)[0].value == "['/scratch']"


def test_the_environment_is_clean(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFTREE_SECRET", "planted")
    code = "import os\nprint('planted' in str(os.environ))"
    assert outside(code) == "True"
    assert cells(code)[0].output == "False"


def test_no_network(cells: Cells) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=2).close()\nprint('connected')"
        assert outside(code) == "connected"
        assert cells(code)[0].error == "PermissionError"
    for family in ("AF_UNIX", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK"):
        assert cells(f"import socket\nsocket.socket(socket.{family}, socket.SOCK_DGRAM)")[0].error == "PermissionError"


def test_asyncio_works_without_network(cells: Cells) -> None:
    assert cells("import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 7\nawait f()")[0].value == "7"


def test_host_processes_are_not_there(cells: Cells) -> None:
    code = f"import os\nos.kill({os.getpid()}, 0)\nprint(os.getpid())"
    assert outside(code).isdecimal()
    inside = cells("import os\nos.getpid()")[0]
    assert int(inside.value or 99) < 10
    if os.getpid() > 100:
        assert cells(code)[0].error == "ProcessLookupError"


def test_no_rights(cells: Cells) -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
got = [libc.unshare(0x10000000), libc.ptrace(0, 0, 0, 0), libc.mount(b"x", b"/scratch", b"tmpfs", 0, None)]
got += [libc.setns(0, 0), libc.chroot(b"/scratch"), libc.syscall(319, b"m", 0), libc.clone(0, 0, 0x10000000, 0)]
header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
libc.capget(header, data)
[got, list(data), os.getuid()]"""
    assert cells(code)[0].value == f"[{[-1] * 7}, {[0] * 6}, 65534]"


def test_raising_a_limit_is_refused(cells: Cells) -> None:
    code = "import resource as r\nr.setrlimit(r.RLIMIT_AS, (r.RLIM_INFINITY, r.RLIM_INFINITY))"
    assert cells(code)[0].error in ("ValueError", "PermissionError")


def test_a_fork_bomb_is_bounded(cells: Cells) -> None:
    code = """
import os, time
made = 0
try:
    while made < 500:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
except OSError:
    pass
made"""
    bomb, after = cells(code, "1 + 1")
    assert 40 <= int(bomb.value or 0) <= 64
    assert after.value == "2"


def test_a_spreading_fork_bomb_ends_with_its_cell(cells: Cells) -> None:
    bomb, after = cells(
        "import os\nx = 1\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass", "1 + 1"
    )
    assert bomb.status in ("timeout", "killed")
    assert after.value == "2"


def test_a_memory_bomb_raises(cells: Cells) -> None:
    big, after = cells("x = bytearray(4 << 30)", "2")
    assert big.error == "MemoryError"
    assert after.value == "2"


def test_a_spin_that_ignores_signals_is_ended(sandbox: ProcessSandbox) -> None:
    async def body() -> list[CellResult]:
        async with sandbox.session() as session:
            code = "import signal\nfor s in range(1, 32):\n    try:\n        signal.signal(s, signal.SIG_IGN)\n"
            code += "    except OSError:\n        pass\ny = 2\nprint('so far')\nwhile True: pass"
            return [await session.run("y = 1"), await session.run(code), await session.run("y")]

    begun = time.monotonic()
    _, spin, after = asyncio.run(body())
    assert time.monotonic() - begun < sandbox.limits.seconds + 3
    assert spin.status == "timeout"
    assert spin.output == "so far\nTimeoutError: the code was stopped after 4 seconds"
    assert after.value == "1"


def test_an_output_flood_is_cut_and_the_traceback_still_travels(cells: Cells) -> None:
    flood, after = cells("for i in range(100_000):\n    print('x' * 100)\n1 / 0", "print('short')")
    assert flood.error == "ZeroDivisionError"
    assert flood.output.startswith("xxx")
    assert "...\n[Output Truncated]" in flood.output
    assert flood.output.endswith("ZeroDivisionError: division by zero")
    assert len(flood.output) < 2100
    assert after.output == "short"


def test_raw_writes_cannot_flood_either(cells: Cells) -> None:
    result = cells("import os\nn = 0\ntry:\n    while True: n += os.write(1, b'x' * 65536)\nexcept OSError:\n    pass\nn")[0]
    assert int(result.value or 0) < 3 << 20


def test_the_disk_fills_at_its_limit(cells: Cells) -> None:
    code = """
written = 0
try:
    for i in range(100):
        with open(f"f{i}", "wb") as f:
            written += f.write(bytes(4 << 20))
except OSError as e:
    print(e.errno)
written >> 20"""
    result = cells(code)[0]
    assert result.output.startswith("28\n")  # ENOSPC
    assert 50 <= int(result.value or 0) <= 64
    assert (
        cells("n = 0\ntry:\n    while True:\n        open(f'i{n}', 'w').close(); n += 1\nexcept OSError: pass\nn < 1000")[
            0
        ].value
        == "True"
    )


def test_a_daemon_does_not_outlive_its_cell(cells: Cells) -> None:
    daemon = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            open("beat", "w").write(str(time.time()))
            time.sleep(0.01)
    os._exit(0)
time.sleep(0.2)
os.path.exists("beat")"""
    look = "a = open('beat').read(); time.sleep(0.2); b = open('beat').read(); a == b"
    started, quiet = cells(daemon, look)
    assert (started.value, quiet.value) == ("True", "True")


def test_threads_do_not_write_into_the_next_cell(cells: Cells) -> None:
    code = "import threading, time\ndef f():\n    time.sleep(0.3)\n    print('late')\n"
    code += "threading.Thread(target=f, daemon=True).start()"
    _, second = cells(code, "time.sleep(0.6)")
    assert second.output == "[Executed Successfully with No Output]"


def test_sessions_do_not_see_each_other(sandbox: ProcessSandbox) -> None:
    async def body() -> tuple[CellResult, CellResult]:
        async with sandbox.session() as one, sandbox.session() as two:
            await one.run("open('mine', 'w').write('x')\nglobal_name = 1")
            return await two.run("import os\nos.listdir('.')"), await two.run("global_name")

    files, name = asyncio.run(body())
    assert files.value == "[]"
    assert name.error == "NameError"


def test_closing_the_channel_or_killing_the_parent_hurts_only_the_cell(cells: Cells) -> None:
    ok, closed, killed, after = cells(
        "x = 1", "import os\nos.close(3)", "import os\nos.kill(os.getppid(), 9)\nraise ValueError", "x"
    )
    assert ok.status == "ok"
    assert closed.status == "killed"
    assert killed.status in ("killed", "error")
    assert after.value == "1"


def test_forged_frames_do_not_reach_the_host(cells: Cells) -> None:
    forged = """
import os, socket
s = socket.socket(fileno=os.dup(3))
for size in (0, 1, 5, 20, 60_000):
    s.send(os.urandom(size) or b"x")
for i in range(100_000):
    s.send(b"\\x14" * 40)"""
    flood, after = cells(forged, "1 + 1")
    assert flood.status in ("killed", "timeout", "error")
    assert after.value == "2"


def test_code_sees_no_inherited_descriptors(cells: Cells) -> None:
    code = "import os\ndef is_open(n):\n    try:\n        os.fstat(n)\n        return True\n"
    code += "    except OSError:\n        return False\n"
    assert cells(code + "[n for n in range(256) if is_open(n)]")[0].value == "[0, 1, 2, 3]"


def test_limits_are_taken(tmp_path: Path) -> None:
    async def body() -> tuple[CellResult, CellResult]:
        tight = ProcessSandbox(Limits(seconds=1, memory_mib=600, output_bytes=1024, shown_chars=100))
        try:
            async with tight.session() as session:
                return await session.run("x = bytearray(700 << 20)"), await session.run("print('y' * 5000)")
        finally:
            await tight.close()

    memory, output = asyncio.run(body())
    assert memory.error == "MemoryError"
    assert output.output == "y" * 100 + "...\n[Output Truncated]"

"""Attacks that are tried in a real session before the sandbox is trusted, and again for `preftree doctor`."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from preftree.sandbox import launch

if TYPE_CHECKING:
    from preftree.sandbox.host import ProcessSandbox

Check = tuple[str, bool, str]

_ATTACK: Final = """
import os, socket, ctypes
def attempt(action):
    try:
        return f"reached: {{action()!r}}"[:60]
    except BaseException as e:
        return f"refused: {{type(e).__name__}}"
def start_child_namespace():
    if ctypes.CDLL(None).unshare(0x10000000): raise OSError("unshare")
def see_host_process():
    # Process numbers inside begin at 1, so low ones say nothing.
    if os.getpid() < 100 and {host_pid} < 100: raise OSError("a namespace of its own")
    os.kill({host_pid}, 0)
def environment():
    text = repr(sorted(os.environ.items()))
    if {secret!r} not in text: raise OSError("not there")
def connect():
    socket.create_connection(("127.0.0.1", {port}), timeout=2).close()
def write():
    open({python!r} + "/canary", "w").close()
attacks = dict(
    file=lambda: open({path!r}).read(),
    listing=lambda: os.listdir({folder!r}),
    environment=environment,
    network=connect,
    process=see_host_process,
    installation=write,
    namespaces=start_child_namespace,
    parent_memory=lambda: open("/proc/1/environ").read(),
)
attacks = {{name: attempt(action) for name, action in attacks.items()}}
for name in attacks: print(name, attacks[name])
"""
_NAMES: Final = {
    "file": "a file outside cannot be read",
    "listing": "a folder outside cannot be listed",
    "environment": "the host's environment is not there",
    "network": "the network cannot be reached",
    "process": "the host's processes are not there",
    "installation": "the Python installation cannot be written",
    "namespaces": "new namespaces cannot be made",
    "parent_memory": "other processes cannot be looked into",
}


async def isolation(sandbox: ProcessSandbox) -> list[Check]:
    """The attacks, as (check, withstood, what came of it)."""
    secret = secrets.token_hex(8)
    name = f"PREFTREE_CANARY_{secret}"
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
        path = os.path.join(folder, "secret")
        Path(path).write_text(secret, encoding="ascii")
        os.environ[name] = secret
        try:
            code = _ATTACK.format(
                host_pid=os.getpid(),
                secret=secret,
                port=server.getsockname()[1],
                python=sys.prefix,
                path=path,
                folder=folder,
            )
            result = await sandbox.program(code)
        finally:
            del os.environ[name]
    if result.status != "ok":
        return [("the sandbox runs code", False, result.stderr or result.status)]
    outcomes = dict(line.partition(" ")[::2] for line in result.stdout.splitlines())
    return [
        (check, outcomes.get(attack, "").startswith("refused"), outcomes.get(attack, "no answer"))
        for attack, check in _NAMES.items()
    ]


def refuse_unless_isolated(sandbox: ProcessSandbox) -> None:
    """Try the attacks, in an event loop of its own.

    Raises:
        SandboxUnavailable: one of them got through.
    """
    broken = [f"{check}: {detail}" for check, passed, detail in asyncio.run(isolation(sandbox)) if not passed]
    if broken:
        raise launch.unavailable("; ".join(broken))


async def self_test(sandbox: ProcessSandbox) -> list[Check]:
    """The attacks, and that what must work works."""
    checks = await isolation(sandbox)
    async with sandbox.session() as session:
        await session.run("x = 6")
        failed = await session.run("x = 0\n1 / 0")
        after = await session.run("x * 7")
    checks.append(("a session keeps its state", after.value == "42", after.output))
    checks.append(("an exception is shown", failed.error == "ZeroDivisionError", failed.output[-200:]))
    program = await sandbox.program("print(input()[::-1])", "abc")
    checks.append(("a program reads and prints", program.stdout == "cba\n", program.stdout or program.stderr[-200:]))
    symbolic = await sandbox.program("import sympy\nprint(sympy.sqrt(8))")
    checks.append(("SymPy is there", symbolic.stdout == "2*sqrt(2)\n", symbolic.stdout or symbolic.stderr[-200:]))
    return checks

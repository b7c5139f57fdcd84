"""The command line: one file per verb, each imported only when it is typed."""

from __future__ import annotations

import os
import sys

import cyclopts

import preftree
from preftree.errors import PreftreeError

app = cyclopts.App(
    name="preftree",
    help="Grow preference trees from problems with checkable answers, and turn them into training data.\n\n"
    "Start with `preftree demo`: it needs no key, no GPU and no network.",
    version=preftree.__version__,
    result_action="return_value",
)

_VERBS = {
    "demo": "Grow, export and measure trees of the embedded world: no key, no GPU, no network.",
    "grow": "Grow preference trees from problems.",
    "export": "Turn trees into training rows.",
    "import": "Read published UltraInteract rows back into trees.",
    "stats": "Count what a run or a file of trees holds: Tables 1 and 7 of the paper.",
    "show": "Show a tree in the terminal.",
    "replay": "Grow a run's trees again from its journal alone, and compare.",
    "init": "Write a commented config.",
    "doctor": "Check versions, keys and the sandbox.",
}
for _name, _help in _VERBS.items():
    app.command(f"preftree.cli.{_name}_verb:{_name}_", name=_name, help=_help)


def main() -> None:
    """The console script: errors for people on stderr, without a traceback, and an exit code that means something.

    0 done · 1 trees are still owed · 2 something to type or configure differently · 3 no sandbox · 4 storage ·
    130 interrupted.
    """
    try:
        code = app()
    except PreftreeError as e:
        print(f"error: {e}", file=sys.stderr)
        code = e.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing more to say, and no complaint at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)

"""`preftree replay RUN`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from preftree.cli import wiring
from preftree.cli.console import counted
from preftree.config import validate
from preftree.errors import InputError
from preftree.grading.grader import Grader
from preftree.grow.config import GrowConfig
from preftree.grow.run import replay
from preftree.interact.environment import Environment
from preftree.runs.folder import JOURNAL_FILE
from preftree.runs.journal import Journal
from preftree.sandbox.base import NoSandbox


def replay_(run: Path, /) -> int:
    """Grow a run's trees again from its journal alone, and compare them byte for byte; no model, no execution.

    Parameters
    ----------
    run
        The folder of a run of `preftree grow`.
    """
    if not (run / JOURNAL_FILE).exists():
        raise InputError(
            f"{run} cannot be replayed.",
            where=str(run),
            why=f"it holds no {JOURNAL_FILE}",
            hint="give a folder such as runs/NAME that `preftree grow` has written",
        )
    journal = Journal(run / JOURNAL_FILE, read_only=True)
    try:
        config = validate(GrowConfig, journal.get_meta("config") or {}, where=str(journal.path))
        cast, _ = wiring.cast_of(config, silent=True)
        sandbox = NoSandbox()
        equal, different = asyncio.run(replay(journal, config, cast, Environment(sandbox, Grader(sandbox))))
    finally:
        journal.close()
    print(f"{counted(equal, 'tree')} byte-identical, {len(different)} different")
    for problem in different:
        print(f"  differs: {problem}")
    return 1 if different else 0

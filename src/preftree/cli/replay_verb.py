"""`preftree replay RUN`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from preftree.cli import wiring
from preftree.config import validate
from preftree.errors import InputError, StorageError
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
    try:
        journal = Journal(run / JOURNAL_FILE, read_only=True)
    except StorageError as e:
        raise InputError(e.what, where=e.where, why=e.why, hint=e.hint) from None
    try:
        config = validate(GrowConfig, journal.get_meta("config") or {}, where=str(journal.path))
        cast, _ = wiring.cast_of(config)
        sandbox = NoSandbox()
        equal, different = asyncio.run(replay(journal, config, cast, Environment(sandbox, Grader(sandbox))))
    finally:
        journal.close()
    print(f"{equal} trees are byte-identical, {len(different)} are not")
    for problem in different:
        print(f"  differs: {problem}")
    return 1 if different else 0

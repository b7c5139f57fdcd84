"""`preftree import FILES`."""

from __future__ import annotations

import shlex
from pathlib import Path

from preftree.cli.console import counted
from preftree.cli.wiring import not_empty
from preftree.errors import InputError
from preftree.export.ultrainteract import import_trees
from preftree.runs.folder import locked, open_run
from preftree.runs.trees import TREES_FILE, write_trees


def import_(files: list[Path], /, *, name: str = "imported", runs: Path = Path("runs")) -> None:
    """Read published UltraInteract rows (sft or pairs, JSONL or Parquet) back into trees.

    Parameters
    ----------
    files
        The files of rows.
    name
        The name of the run to make.
    runs
        The folder that holds all runs.
    """
    folder = runs / name
    if (folder / TREES_FILE).exists():
        raise InputError(
            f"{folder} holds trees already.",
            where=str(folder / TREES_FILE),
            why="a run is imported once",
            hint=f"give another --name, or remove it with: rm -r {shlex.quote(str(folder))}",
        )
    # All rows are checked before the first tree comes, so that nothing is left behind by one that is malformed.
    named = ", ".join(map(str, files))
    trees = not_empty(import_trees(files), "There are no rows to import.", named)
    with locked(folder):
        open_run(folder, "import", {"files": [str(file) for file in files]}, seed=0, free=frozenset(), versions={})
        path = write_trees((tree.model_dump_json() for tree in trees), folder / TREES_FILE)
    with path.open(encoding="utf-8") as lines:
        count = sum(1 for _ in lines)
    print(f"{counted(count, 'tree')} in {path}")
    print(f"next: preftree stats {folder}   preftree show {folder}")

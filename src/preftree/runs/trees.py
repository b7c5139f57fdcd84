"""The file of trees: JSON lines, one tree a line, in the sources' order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from preftree.config import explain
from preftree.errors import DataError, StorageError
from preftree.runs.folder import JOURNAL_FILE
from preftree.runs.journal import Journal
from preftree.tree import Tree

TREES_FILE = "trees.jsonl"


def write_trees(trees: Iterable[str], path: Path) -> Path:
    """Write trees as JSON lines, one at a time; a crash leaves the old file whole."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            for tree in trees:
                file.write(tree + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as e:
        raise StorageError(
            "The trees cannot be written out; they are safe in the journal.",
            where=str(path),
            why=str(e),
            hint="free some space, then run the same command again",
        ) from e
    return path


def read_trees(path: Path) -> Iterator[Tree]:
    """The trees of a run's folder (from its journal, so also of a run under way) or of a trees.jsonl, one at a time.

    Raises:
        DataError: nothing is there, or a line is no tree.
    """
    if path.is_dir() and (path / JOURNAL_FILE).exists():
        journal = Journal(path / JOURNAL_FILE, read_only=True)
        try:
            for text in journal.trees():
                yield Tree.model_validate_json(text)
        finally:
            journal.close()
        return
    file = path / TREES_FILE if path.is_dir() else path
    if not file.is_file():
        raise DataError(
            f"There are no trees in {path}.",
            where=str(path),
            why=f"found neither {JOURNAL_FILE} nor {TREES_FILE}",
            hint="give the folder of a run, such as runs/NAME, or a file of trees",
        )
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield Tree.model_validate_json(line)
            except ValidationError as e:
                first = e.errors(include_url=False)[0]
                key = ".".join(map(str, first["loc"]))
                raise DataError(
                    "A line is not a preference tree.",
                    where=f"{file}, line {number}",
                    why=(f"{key}: " if key else "") + explain(first),
                    hint="trees are written by `preftree grow` and `preftree import`",
                ) from None

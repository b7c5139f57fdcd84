"""What every source shares: rows into problems, and what becomes of the bad ones."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Literal, TypeVar

from pydantic import Field, ValidationError

from preftree.config import Config
from preftree.errors import DataError
from preftree.files import Hub, Row, RowError, file_rows, hub_rows
from preftree.problem import Problem, Task, Tool

Tools = Literal["with", "without", "both"]
"""Whether a math problem is grown with the Python tool, without it, or once each way."""

T = TypeVar("T")


class Skip(Exception):
    """A row of a published source that cannot be used, for a known reason; it is counted and passed over."""


class Source(Config, ABC):
    """Where problems come from; the base of every kind."""

    limit: int | None = Field(default=None, ge=0)
    """The most problems to take; null takes all."""
    offset: int = Field(default=0, ge=0)
    """How many usable problems to pass over before the first."""

    strict: ClassVar[bool] = False
    """Whether a duplicate or an empty answer is the user's mistake rather than a known flaw of published data."""

    @abstractmethod
    def rows(self) -> Iterator[tuple[str, Row]]:
        """Every row, with where it stands."""

    @abstractmethod
    def problems(self, row: Row) -> list[Problem]:
        """The problems of one row.

        Raises:
            Skip: the row is known to be unusable.
            RowError: it is malformed.
        """


class PublishedSource(Source):
    """A published dataset: a file or folder of it, or its copy on the hub."""

    path: Path | None = None
    """A file of the dataset, or the folder that holds its files; null reads it from the hub."""
    split: str = "train"
    """The part of the dataset."""
    revision: str = "main"
    """The hub's commit, so that the data stay the same; not used with a path."""

    hub: ClassVar[Hub]
    files: ClassVar[tuple[str, ...]]
    """The names that the file of a split may have in a folder."""
    hub_splits: ClassVar[Mapping[str, str]] = {}
    """The hub's names of splits, where they differ from ours."""

    def rows(self) -> Iterator[tuple[str, Row]]:
        if self.path is None:
            return hub_rows(self.hub, self.hub_splits.get(self.split, self.split), self.revision)
        return file_rows(self.file(self.path))

    def file(self, path: Path) -> Path:
        """The file that is meant by a path to a file or a folder."""
        if not path.is_dir():
            return path
        names = [name.format(split=self.split) for name in self.files]
        for name in names:
            if (path / name).is_file():
                return path / name
        raise DataError(
            f"The folder {path} does not hold the split '{self.split}'.",
            where=str(path),
            why=f"looked for {' or '.join(names)}",
            hint="give the path of the file itself, another split, or leave the path out to read from the hub",
        )


class Loaded(Iterator[Problem]):
    """The problems of a source, one by one; `skipped` counts the rows passed over so far, by reason.

    Args:
        rows: what there is, each with where it stands.
        read: makes problems of one; raises `Skip` or `RowError`.
        strict: whether a duplicate is an error rather than passed over.
        offset: how many usable problems to pass over.
        limit: the most problems to give; None gives all.
    """

    def __init__(
        self,
        rows: Iterable[tuple[str, T]],
        read: Callable[[T], list[Problem]],
        *,
        strict: bool = False,
        offset: int = 0,
        limit: int | None = None,
    ) -> None:
        self.skipped: Counter[str] = Counter()
        end = None if limit is None else offset + limit
        self._problems = itertools.islice(self._read(rows, read, strict), offset, end)

    def __next__(self) -> Problem:
        return next(self._problems)

    def _read(self, rows: Iterable[tuple[str, T]], read: Callable[[T], list[Problem]], strict: bool) -> Iterator[Problem]:
        seen: dict[str, str] = {}
        for where, row in rows:
            try:
                problems = read(row)
            except Skip as skip:
                self.skipped[str(skip)] += 1
                continue
            except RowError as e:
                raise _bad_row(where, str(e)) from None
            except ValidationError as e:
                raise _bad_row(where, reasons(e)) from None
            for problem in problems:
                if problem.id not in seen:
                    seen[problem.id] = where
                    yield problem
                elif strict:
                    raise DataError(
                        f"Two problems are the same: {problem.id}.",
                        where=where,
                        why=f"the same content stands at {seen[problem.id]}",
                        hint="take one of the two out, or change it",
                    )
                else:
                    self.skipped["duplicate"] += 1


def math_variants(tools: Tools) -> list[tuple[Task, Tool | None]]:
    """The task and tool of each problem that a math row becomes."""
    variants: list[tuple[Task, Tool | None]] = [("Math_PoT", "python"), ("Math_CoT", None)]
    return {"with": variants[:1], "without": variants[1:], "both": variants}[tools]


def reasons(error: ValidationError) -> str:
    """Why a value is not a Problem, in one line."""
    return "; ".join(
        f"{'.'.join(map(str, e['loc']))}: {e['msg']}" if e["loc"] else e["msg"].removeprefix("Value error, ")
        for e in error.errors()
    )


def _bad_row(where: str, why: str) -> DataError:
    return DataError(
        "A row cannot be made into a problem.", where=where, why=why, hint="mend or remove the row, or check that `kind` fits"
    )

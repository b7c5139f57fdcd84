"""What every source shares: rows out of a file or the hub, rows into problems, and what becomes of the bad ones."""

from __future__ import annotations

import gzip
import io
import itertools
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

from pydantic import Field, ValidationError

from preftree.config import Config
from preftree.errors import DataError, MissingExtra
from preftree.problem import Problem, Task, Tool

Row = Mapping[str, Any]
"""One row of a source, as its file or the hub has it."""

Tools = Literal["with", "without", "both"]
"""Whether a math problem is grown with the Python tool, without it, or once each way."""

T = TypeVar("T")


class Skip(Exception):
    """A row of a published source that cannot be used, for a known reason; it is counted and passed over."""


class RowError(Exception):
    """A row is not what its source promises; `load` adds where it stands."""


class Hub(NamedTuple):
    """A dataset on the Hugging Face hub."""

    repo: str
    name: str | None = None


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


def field(row: Row, name: str, kind: type[T]) -> T:
    """A field of a row that must be there and be a `kind`.

    Raises:
        RowError: it is missing or something else.
    """
    if name not in row:
        raise RowError(f"the field '{name}' is missing; found {', '.join(map(str, row)) or 'nothing'}")
    value = row[name]
    if not isinstance(value, kind):
        raise RowError(f"the field '{name}' should be {kind.__name__}, found {value!r:.80}")
    return value


def texts(row: Row, name: str) -> tuple[str, ...]:
    """A field of a row that must be a list of texts."""
    value = field(row, name, list)
    if not all(isinstance(item, str) for item in value):
        raise RowError(f"the field '{name}' should be a list of texts, found {value!r:.80}")
    return tuple(value)


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


def file_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """The rows of a file, with where each stands: JSON lines or one JSON list, plain or gzip.

    Raises:
        DataError: the file is missing or damaged, or a row of it is not a JSON object.
    """
    try:
        with _open(path) as file:
            first = file.readline()
            while first and not first.strip():
                first = file.readline()
            file.seek(0)
            if first.lstrip().startswith("["):
                yield from _list_rows(file, path)
            else:
                yield from _line_rows(file, path)
    except FileNotFoundError:
        raise DataError(
            f"There is no file {path}.",
            where=str(path),
            why="no such file",
            hint="check the path; relative paths start from where you are",
        ) from None
    except (OSError, EOFError, UnicodeDecodeError) as e:
        raise DataError(
            f"{path} cannot be read.", where=str(path), why=str(e), hint="get the file again; it should be UTF-8 or gzip"
        ) from None


def _open(path: Path) -> io.TextIOWrapper:
    opened = gzip.open if path.suffix == ".gz" else open
    return io.TextIOWrapper(opened(path, "rb"), encoding="utf-8-sig")


def _line_rows(file: io.TextIOWrapper, path: Path) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            yield (where := f"{path}, line {number}"), _row(_parse(line, where), where)


def _list_rows(file: io.TextIOWrapper, path: Path) -> Iterator[tuple[str, Row]]:
    for number, row in enumerate(_parse(file.read(), str(path)), 1):
        yield (where := f"{path}, item {number}"), _row(row, where)


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as e:
        raise DataError(
            "A row is not JSON.", where=where, why=str(e), hint="mend it; every line holds one whole JSON object"
        ) from None


def _row(value: Any, where: str) -> Row:
    if not isinstance(value, dict):
        raise _bad_row(where, f"expected a JSON object, found {value!r:.80}")
    return value


def _bad_row(where: str, why: str) -> DataError:
    return DataError(
        "A row cannot be made into a problem.", where=where, why=why, hint="mend or remove the row, or check that `kind` fits"
    )


def hub_rows(hub: Hub, split: str, revision: str) -> Iterator[tuple[str, Row]]:
    """The rows of a dataset on the hub, streamed.

    Raises:
        MissingExtra: the package `datasets` is not installed.
        DataError: the hub cannot be reached, or does not have it.
    """
    try:
        import datasets
    except ImportError:
        raise MissingExtra.of("Reading from the Hugging Face hub", "train") from None
    where = f"https://huggingface.co/datasets/{hub.repo}, split {split}"
    try:
        rows = datasets.load_dataset(hub.repo, hub.name, split=split, revision=revision, streaming=True)
        for number, row in enumerate(rows, 1):
            yield f"{where}, row {number}", row
    except (OSError, ValueError, RuntimeError) as e:
        raise DataError(
            f"The dataset {hub.repo} cannot be read from the hub.",
            where=where,
            why=f"{type(e).__name__}: {e}",
            hint="check the network and the revision, or give `path` to a downloaded copy",
        ) from None

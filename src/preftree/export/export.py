"""Trees become files: every kind of row, in the published shape and in TRL's, as JSONL and Parquet.

OUT/ultrainteract/sft.jsonl   pairs.jsonl   rm_pairs.jsonl   kto.jsonl     (and .parquet)
OUT/trl/sft.jsonl             pairs.jsonl   rm_pairs.jsonl   kto.jsonl     (and .parquet)
OUT/manifest.json
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from preftree.config import Config, Record
from preftree.errors import StorageError
from preftree.export.files import Format, RowWriter, open_writer
from preftree.export.manifest import MANIFEST, Census, Manifest, file_entry, write_manifest
from preftree.export.pairs import pair_rows, rm_pair_rows, unpaired_rows
from preftree.export.sft import history_rows, sft_rows
from preftree.rows import PairRow, PublishedRow, SFTRow, TRLMessages, TRLPreference, TRLUnpaired, UnpairedRow
from preftree.tree import Tree

RowKind = Literal["sft", "pairs", "rm_pairs", "kto"]
"""What rows are for; also the name of their files."""
Shape = Literal["ultrainteract", "trl"]
"""The columns of rows; also the name of their folder."""

_PUBLISHED: dict[RowKind, Callable[[Tree], Iterator[PublishedRow]]] = {
    "sft": sft_rows,
    "pairs": pair_rows,
    "rm_pairs": rm_pair_rows,
    "kto": unpaired_rows,
}
_CLASSES: dict[tuple[Shape, RowKind], type[Record]] = {
    ("ultrainteract", "sft"): SFTRow,
    ("ultrainteract", "pairs"): PairRow,
    ("ultrainteract", "rm_pairs"): PairRow,
    ("ultrainteract", "kto"): UnpairedRow,
    ("trl", "sft"): TRLMessages,
    ("trl", "pairs"): TRLPreference,
    ("trl", "rm_pairs"): TRLPreference,
    ("trl", "kto"): TRLUnpaired,
}


class ExportConfig(Config):
    """Which files an export writes."""

    rows: tuple[RowKind, ...] = Field(default=("sft", "pairs", "rm_pairs", "kto"), min_length=1)
    """The kinds of rows: right actions, pairs, the reward model's extra pairs, single labelled actions."""
    shapes: tuple[Shape, ...] = Field(default=("ultrainteract", "trl"), min_length=1)
    """The shapes of rows: the published columns, and those that TRL's trainers read."""
    formats: tuple[Format, ...] = Field(default=("jsonl", "parquet"), min_length=1)
    """The file formats."""
    history: bool = False
    """Whether trl/sft rows begin with the turns before the right action; published as worse, hence off."""


def rows_of(tree: Tree, shape: Shape, kind: RowKind, *, history: bool = False) -> Iterator[Record]:
    """The rows of one tree, as they stand in the file `shape`/`kind`."""
    if history and (shape, kind) == ("trl", "sft"):
        return history_rows(tree)
    rows = _PUBLISHED[kind](tree)
    return rows if shape == "ultrainteract" else (row.trl() for row in rows)


class _Sink(NamedTuple):
    shape: Shape
    kind: RowKind
    writers: list[RowWriter]
    counts: Counter[tuple[str, str]]


def export_trees(trees: Iterable[Tree], out: Path, config: ExportConfig, run_info: dict[str, Any]) -> Manifest:
    """Write the rows of `trees` under `out`, in one pass and in memory that does not grow with their number.

    Files of an earlier export there are replaced once all new ones are complete; the manifest comes last, so that a
    folder with a manifest is whole. A kind without rows gives an empty file.

    Args:
        trees: read once.
        out: the folder; made if missing.
        config: which files.
        run_info: plain JSON for the manifest: the run's config, the sandbox's version.

    Raises:
        StorageError: a file cannot be written; nothing of the new export is left.
    """
    census = Census()
    sinks: list[_Sink] = []
    try:
        for shape in dict.fromkeys(config.shapes):
            _make_folder(out / shape)
            for kind in dict.fromkeys(config.rows):
                sink = _Sink(shape, kind, [], Counter())
                sinks.append(sink)
                for format in dict.fromkeys(config.formats):
                    path = out / shape / f"{kind}.{format}"
                    sink.writers.append(open_writer(path, _CLASSES[shape, kind], format))
        for tree in trees:
            census.add(tree)
            key = (tree.problem.task, tree.problem.dataset)
            for sink in sinks:
                for row in rows_of(tree, sink.shape, sink.kind, history=config.history):
                    sink.counts[key] += 1
                    for writer in sink.writers:
                        writer.write(row)
        # From here on the folder is in between; without a manifest nobody takes it for a whole export.
        (out / MANIFEST).unlink(missing_ok=True)
        for sink in sinks:
            for writer in sink.writers:
                writer.commit()
    except BaseException:
        for sink in sinks:
            for writer in sink.writers:
                with suppress(OSError):
                    writer.discard()
        raise
    files = [file_entry(out, writer.path, sink.counts) for sink in sinks for writer in sink.writers]
    manifest = census.manifest(config.model_dump(mode="json"), run_info, files)
    write_manifest(out, manifest)
    return manifest


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise StorageError(
            "The output folder cannot be made.",
            where=str(path),
            why=e.strerror or str(e),
            hint="give a folder that you may write to with --out",
        ) from e

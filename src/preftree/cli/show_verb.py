"""`preftree show RUN [ID]`."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from preftree.errors import DataError
from preftree.render.terminal import render_tree, shape
from preftree.runs.trees import read_trees


def show_(run: Path, tree: str | None = None, /, *, limit: int = 20) -> None:
    """Show a tree in the terminal, or list trees.

    Parameters
    ----------
    run
        The folder of a run, or a file of trees.
    tree
        The id of a problem, or the beginning of it; without it the first trees are listed.
    limit
        How many trees to list.
    """
    console = Console()
    if tree is not None:
        for found in read_trees(run):
            if found.problem.id.startswith(tree):
                console.print(render_tree(found))
                return
        raise DataError(
            f"There is no tree of a problem {tree} in {run}.",
            where=str(run),
            hint=f"list what is there with: preftree show {run}",
        )
    table = Table("id", "task", "dataset", "shape", "pairs", "instruction")
    for found in islice(read_trees(run), limit):
        problem = found.problem
        pairs = str(sum(1 for _ in found.pairs()))
        text = Text(" ".join(problem.instruction.split()), no_wrap=True, overflow="ellipsis")
        table.add_row(problem.id, problem.task, problem.dataset, shape(found), pairs, text)
    console.print(table)
    print(f"one of them: preftree show {run} ID")

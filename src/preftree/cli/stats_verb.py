"""`preftree stats RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from preftree.cli.console import console
from preftree.export.stats import Statistics, statistics
from preftree.runs.trees import read_trees


def stats_(run: Path, /, *, json: Annotated[bool, Parameter(negative="", show_default=False)] = False) -> None:
    """Count what a run or a file of trees holds: Tables 1 and 7 of the paper.

    Parameters
    ----------
    run
        The folder of a run, or a file of trees; a run that is still growing will do.
    json
        Print plain JSON instead of tables.
    """
    found = statistics(read_trees(run))
    if json:
        print(found.model_dump_json(indent=2))
        return
    print_statistics(found)


def print_statistics(found: Statistics) -> None:
    """The tables on stdout."""
    from preftree.export.stats_table import as_table, dataset_table

    for table in (as_table(found), dataset_table(found)):
        console().print(table)

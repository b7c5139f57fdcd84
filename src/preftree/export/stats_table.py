"""Statistics as tables for the terminal; the published dataset's fit into 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from preftree.export.stats import Statistics

if TYPE_CHECKING:
    from rich.table import Table


def as_table(stats: Statistics) -> Table:
    """Table 1: rows by task, interaction and tool, and the total; without the numbers of turns that no tree has."""
    rows = (*stats.tasks, stats.total)
    most = max((turns for row in rows for turns, n in row.trajectories.items() if n), default=1)
    numbers = (
        "ins.",
        *(f"T{n}" for n in range(1, most + 1)),
        "tokens\n/traj.",
        "traj.\n/ins.",
        "pairs",
        "right\nansw.",
    )
    table = _table(
        "Trees by task",
        f"ins.: instructions. T1–T{most}: trajectories by turns. tokens: {stats.token_counter}.",
        ("task", "multi\nturn", "tool"),
        numbers,
    )
    for row in rows:
        if row is stats.total:
            table.add_section()
        table.add_row(
            row.task,
            _yes(row.interaction),
            _yes(row.tool),
            f"{row.instructions}",
            *(f"{row.trajectories.get(n, 0) or '–'}" for n in range(1, most + 1)),
            f"{row.tokens_per_trajectory:.1f}",
            f"{row.trajectories_per_instruction:.1f}",
            f"{row.pairs}",
            f"{row.right_answers}",
        )
    return table


def dataset_table(stats: Statistics) -> Table:
    """Table 7: rows by dataset, task and tool."""
    from rich.text import Text

    table = _table(
        "Trees by dataset",
        f"gold: whether the problems have a gold answer or tests, and a rationale or program. tokens: {stats.token_counter}.",
        ("dataset", "task", "tool"),
        ("prompts", "pairs", "right\nansw.", "tokens\n/traj.", "gold\nanswer", "gold\nration."),
    )
    table.columns[0].overflow = "fold"
    for row in stats.datasets:
        table.add_row(
            Text(row.dataset),  # a name may hold square brackets, which are no markup
            row.task,
            _yes(row.tool),
            f"{row.prompts}",
            f"{row.pairs}",
            f"{row.right_answers}",
            f"{row.tokens_per_trajectory:.1f}",
            _share(row.with_gold_answer, row.prompts),
            _share(row.with_gold_rationale, row.prompts),
        )
    return table


def _table(title: str, caption: str, words: Sequence[str], numbers: Sequence[str]) -> Table:
    """An empty table with a rule under the headers and one space between columns: every column counts."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=0,
    )
    for name in words:
        table.add_column(name, vertical="top")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for column in table.columns:
        column.header_style = "bold"
    return table


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "–"}[value]


def _share(some: int, of: int) -> str:
    return "yes" if some == of else "no" if some == 0 else f"{some / of:.0%}"

"""Statistics as tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preftree.export.stats import Statistics

if TYPE_CHECKING:
    from rich.table import Table


def as_table(stats: Statistics) -> Table:
    """Table 1: rows by task, interaction and tool, and the total."""
    from rich.table import Table

    most = max((turns for row in (*stats.tasks, stats.total) for turns in row.trajectories), default=0)
    table = Table(title="Trees by task", caption=f"T1–T{most}: trajectories by turns; tokens: {stats.token_counter}")
    for name in ("task", "interaction", "tool"):
        table.add_column(name)
    numbers = (
        "instructions",
        *(f"T{n}" for n in range(1, most + 1)),
        "tokens/traj",
        "traj/ins",
        "pairs",
        "right answers",
    )
    for name in numbers:
        table.add_column(name, justify="right")
    for row in (*stats.tasks, stats.total):
        if row is stats.total:
            table.add_section()
        table.add_row(
            row.task,
            _yes(row.interaction),
            _yes(row.tool),
            f"{row.instructions:,}",
            *(f"{row.trajectories.get(n, 0):,}" for n in range(1, most + 1)),
            f"{row.tokens_per_trajectory:,.1f}",
            f"{row.trajectories_per_instruction:.1f}",
            f"{row.pairs:,}",
            f"{row.right_answers:,}",
        )
    return table


def dataset_table(stats: Statistics) -> Table:
    """Table 7: rows by dataset, task and tool."""
    from rich.table import Table

    table = Table(title="Trees by dataset", caption=f"tokens: {stats.token_counter}")
    for name in ("dataset", "task", "tool"):
        table.add_column(name)
    for name in ("prompts", "pairs", "right answers", "avg tokens", "gold answer", "gold rationale"):
        table.add_column(name, justify="right")
    for row in stats.datasets:
        table.add_row(
            row.dataset,
            row.task,
            _yes(row.tool),
            f"{row.prompts:,}",
            f"{row.pairs:,}",
            f"{row.right_answers:,}",
            f"{row.tokens_per_trajectory:,.1f}",
            _share(row.with_gold_answer, row.prompts),
            _share(row.with_gold_rationale, row.prompts),
        )
    return table


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "–"}[value]


def _share(some: int, of: int) -> str:
    return "yes" if some == of else "no" if some == 0 else f"{some / of:.0%}"

"""The terminal, or what takes its place when the output goes into a file or a pipe."""

from __future__ import annotations

from rich.console import Console

PIPED_WIDTH = 160
"""Columns where there is no terminal: nothing has to be squeezed there. Ours: all tables fit."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """The reader of our output went away: `main` ends quietly; rich would exit with 1."""
        raise BrokenPipeError


def counted(n: int, word: str) -> str:
    """A number and what it counts: 1 tree, 2 trees."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def console(*, stderr: bool = False) -> Console:
    """A console that prints words as they are: no markup, no emoji codes; without colours where it is no terminal."""
    found = _Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not found.is_terminal:
        found.width = PIPED_WIDTH
    return found

"""What a template makes: a problem, the right action, and a source of realistic wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from preftree.problem import Problem


class Wrong(NamedTuple):
    """A wrong action, and what the environment would print for its code."""

    text: str
    """The action in the flat form."""
    output: str
    """The program's output or the failing test; "" where there is no code."""


@dataclass(frozen=True)
class Draft:
    """One problem of the small world, as the model's training needs it."""

    problem: Problem
    right: str
    """The right action in the flat form."""
    wrong: Callable[[Random], Wrong | None]
    """Draws a wrong action with a named kind of mistake; None when this draw of a mistake changes nothing."""

"""A tree as a ladder in the terminal: at each turn the wrong action and what came of it, then the right one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from preftree.tree import Node, Tree, Verdict

MARKS = {Verdict.correct: "✓", Verdict.incorrect: "✗", Verdict.invalid: "?", Verdict.failed: "!"}
"""A mark besides the colour, for those who do not see colours."""

# Blue and orange are told apart by colour-blind eyes too.
_COLOURS = {Verdict.correct: "dodger_blue1", Verdict.incorrect: "dark_orange", Verdict.invalid: "grey62", Verdict.failed: "red"}


# All but tab and newline: a model that writes escape sequences must not get at the user's terminal. Left-to-right marks
# and their like go too, as they could show a text in another order than it has.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> Text:
    """Words of a model or of a source for the terminal: never markup, and without control characters."""
    return Text(_CONTROL.sub("", text))


def shape(tree: Tree) -> str:
    """The tree in a word: the verdict of the last action at each turn, such as `✗✗✓`."""
    turns = range(1, tree.depth + 1)
    solved = {node.turn for node in tree.nodes if node.correct}
    return "".join("✗" if turn < tree.depth or turn not in solved else "✓" for turn in turns)


def render_tree(tree: Tree) -> RenderableType:
    """The whole tree, for a rich console."""
    return Group(*_parts(tree))


def _parts(tree: Tree) -> Iterator[RenderableType]:
    problem = tree.problem
    reference = problem.reference.answer or (f"{problem.reference.tests.kind} tests" if problem.reference.tests else "-")
    head = f"{problem.id} · {problem.task} · {problem.dataset} · {shape(tree)} · reference: {reference}"
    yield Panel(plain(problem.instruction), title=plain(head), title_align="left")
    for turn in range(1, tree.depth + 1):
        yield Rule(f"turn {turn}")
        for node in sorted((n for n in tree.nodes if n.turn == turn), key=lambda n: n.correct):
            yield _node(node)
    for path, tally in tree.unsolved.items():
        found = ", ".join(f"{n} {verdict}" for verdict, n in tally.items()) or "nothing was drawn"
        line = plain(f"{path}: no such action was had ({found})")
        line.stylize("grey62")
        yield line


def _node(node: Node) -> Panel:
    verdict = node.observation.grade.verdict
    body = plain(node.action.text)
    commented = f"\n\nObservation: {node.observation.text}"
    if node.critique and node.critique.text:
        commented += f"\nFeedback: {node.critique.text}"
    body.append(plain(commented).plain, style="italic")
    drawn = ", ".join(f"{n} {name}" for name, n in node.tally.items())
    title = f"{MARKS[verdict]} {node.id} · {node.action.model} · {node.action.origin}"
    return Panel(
        body,
        title=plain(title),
        subtitle=plain(f"drawn: {drawn} · judged by {node.observation.grade.grader}"),
        title_align="left",
        subtitle_align="left",
        border_style=_COLOURS[verdict],
    )

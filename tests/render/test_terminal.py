"""Trees in the terminal: whatever a model wrote is shown as it is, and never gets at the terminal."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from rich.console import Console

import strategies
from preftree.problem import Problem, Reference
from preftree.render.terminal import MARKS, plain, render_tree, shape
from preftree.tree import Action, Critique, Grade, Node, Observation, Tree, Verdict, build_tree

PROBLEM = Problem(
    task="Math_CoT", dataset="[red]sums[/red]", instruction="What is [bold]2[/bold]?", reference=Reference(answer="[/]")
)


def node(node_id: str, verdict: str, text: str = "x", critique: str | None = None) -> Node:
    return Node(
        id=node_id,
        parent=-1,
        action=Action(text=text, model="[blink]model"),
        observation=Observation(text=text, grade=Grade(verdict=Verdict(verdict), grader="t", version="1")),
        critique=Critique(text=critique, model="c") if critique else None,
        tally={"incorrect": 2},
    )


def shown(tree: Tree, *, colours: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=colours, color_system="truecolor" if colours else None)
    console.print(render_tree(tree))
    return out.getvalue()


def test_a_tree_turn_by_turn() -> None:
    nodes = [
        node("1c", "correct", "the right one"),
        node("1r", "incorrect", "the wrong one", "Look again."),
        node("1r/2r", "invalid", "nonsense"),
    ]
    text = shown(build_tree(PROBLEM, nodes, {"1r/2c": {"incorrect": 20, "invalid": 1}, "1r/2r/3c": {}}))
    places = [
        text.index(part) for part in ("turn 1", "the wrong one", "Feedback: Look again.", "the right one", "turn 2", "nonsense")
    ]
    assert places == sorted(places)
    assert f"{MARKS[Verdict.incorrect]} 1r" in text
    assert "drawn: 2 incorrect · judged by t" in text
    assert "1r/2c: no such action was had (20 incorrect, 1 invalid)" in text
    assert "1r/2r/3c: no such action was had (nothing was drawn)" in text


def test_markup_is_shown_literally() -> None:
    text = shown(
        build_tree(PROBLEM, [node("1r", "incorrect", "[bold]x[/bold] [/] [link=http://x]", "[/]")], {"[b]": {"[i]": 1}})
    )
    for part in (
        "[red]sums[/red]",
        "[bold]2[/bold]",
        "reference: [/]",
        "[blink]model",
        "[bold]x[/bold] [/] [link=http://x]",
        "Feedback: [/]",
        "[b]:",
        "1 [i]",
    ):
        assert part in text


@pytest.mark.parametrize(
    "evil",
    [
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\x1b]8;;http://x\x1b\\",
        "\x9b31m",
        "\x08\x08",
        "\r",
        "\x00",
        "\x7f",
        "\x85",
        "\x0b",
        "\u202e",
        "\u2066",
    ],
)
def test_control_characters_never_reach_the_terminal(evil: str) -> None:
    problem = Problem(task="Logic", dataset=f"d{evil}", instruction=f"a{evil}b", reference=Reference(answer=f"{evil}x"))
    one = node("1r", "incorrect", f"c{evil}d", f"e{evil}f")
    one = one.model_copy(update={"action": one.action.model_copy(update={"model": f"m{evil}"})})
    text = shown(build_tree(problem, [one], {f"1c{evil}": {f"v{evil}": 1}}))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    # In colours, rich's own sequences are the only ones.
    coloured = re.sub(r"\x1b\[[\d;]*m", "", shown(build_tree(problem, [one]), colours=True))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", coloured)
    assert plain(f"a{evil}\tb\n").plain.endswith("\tb\n")


@settings(max_examples=25)
@given(strategies.trees(max_extras=1))
def test_any_tree_can_be_shown(tree: Tree) -> None:
    text = shown(tree)
    assert all(one.id in text for one in tree.nodes)


@pytest.mark.parametrize(
    ("verdicts", "glyphs"),
    [
        ({}, ""),
        ({"1c": "correct"}, "✓"),
        ({"1c": "correct", "1r": "incorrect"}, "✓"),
        ({"1r": "incorrect"}, "✗"),
        ({"1r": "failed"}, "✗"),
        ({"1c": "correct", "1r": "incorrect", "1r/2c": "correct"}, "✗✓"),
        ({"1c": "correct", "1r": "incorrect", "1r/2r": "invalid"}, "✗✗"),
        ({"1r": "incorrect", "1r/2r": "incorrect", "1r/2r/3c": "correct", "1r/2r/3r": "incorrect"}, "✗✗✓"),
    ],
)
def test_the_shape_in_a_word(verdicts: dict[str, str], glyphs: str) -> None:
    assert shape(build_tree(PROBLEM, [node(node_id, verdict) for node_id, verdict in verdicts.items()])) == glyphs


def test_marks_differ_without_colours() -> None:
    assert len(set(MARKS.values())) == len(Verdict)

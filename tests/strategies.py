"""Hypothesis strategies for the data model: problems, nodes and trees that growing could leave behind, and stranger ones."""

from __future__ import annotations

from hypothesis import strategies as st

from preftree.interact.prompts import PYTHON_TOOL
from preftree.problem import Problem, Reference, UnitTests
from preftree.tree import Action, Critique, Grade, Node, Observation, Tree, Verdict, build_tree, child_id

# A small pool beside free text: equal actions, and words that look like the exported conversation's own markers.
_POOL = (
    "Step 1: 42",
    "Answer: 7",
    "a\nb",
    "Observation:\nNone",
    "\n\nFeedback:\n",
    "x\n\nFeedback:\nlook again",
    "é \u2028 😀",
    "",
)


def texts(min_size: int = 0) -> st.SearchStrategy[str]:
    """Any text without lone surrogates, newlines and control characters included."""
    free = st.text(st.characters(exclude_categories=["Cs"]), min_size=min_size, max_size=20)
    return st.one_of(free, st.sampled_from([text for text in _POOL if len(text) >= min_size]))


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """A problem of any task; now and then its instruction ends like an exported one."""
    task = draw(st.sampled_from(["Coding", "Math_PoT", "Math_CoT", "Logic"]))
    return Problem(
        task=task,
        dataset=draw(st.sampled_from(["gsm8k", "hotpotqa", "mbpp", "日本"])),
        instruction=draw(texts(min_size=1)) + draw(st.sampled_from(["", "", f"\n\n{PYTHON_TOOL}"])),
        tool=draw(st.sampled_from([None, "python"])),
        reference=Reference(tests=UnitTests(asserts=("assert f() == 1",))) if task == "Coding" else Reference(answer="42"),
    )


@st.composite
def nodes(draw: st.DrawFn, node_id: str, verdict: Verdict) -> Node:
    """A node as `build_tree` takes it: the index of its parent is not set yet."""
    critique = draw(st.none() | texts())
    return Node(
        id=node_id,
        parent=-1,
        action=Action(
            text=draw(texts()),
            model=draw(st.sampled_from(["small", "large"])),
            origin=draw(st.sampled_from(["sampled", "escalated", "guided"])),
            rung=draw(st.integers(0, 3)),
        ),
        observation=Observation(text=draw(texts()), grade=Grade(verdict=verdict, grader="math-verify", version="1")),
        critique=None if critique is None else Critique(text=critique, model="critic"),
    )


@st.composite
def trees(draw: st.DrawFn, max_turns: int = 4, max_extras: int = 2) -> Tree:
    """A tree of any form: missing sides, extra pairs, several expanded wrong actions, and verdicts of every kind."""
    found: list[Node] = []

    def grow(parent: str, turn: int) -> None:
        for extra in range(draw(st.integers(0 if turn > 1 else 1, 1 + max_extras if turn <= 2 else 1))):
            for chosen in (True, False):
                if not draw(st.sampled_from([True, True, True, False])):
                    continue
                usual = Verdict.correct if chosen else Verdict.incorrect
                verdict = draw(st.sampled_from([usual, usual, usual, *Verdict]))
                node = draw(nodes(child_id(parent, chosen=chosen, extra=extra), verdict))
                found.append(node)
                if not chosen and turn < max_turns and draw(st.booleans()):
                    grow(node.id, turn + 1)

    grow("", 1)
    return build_tree(draw(problems()), found)

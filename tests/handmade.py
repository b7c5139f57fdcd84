"""Small trees written out by hand."""

from __future__ import annotations

from preftree.problem import Problem, Reference
from preftree.tree import Action, Critique, Grade, Node, Observation, Tree, Verdict, build_tree


def node(node_id: str, text: str, verdict: str = "", shown: str = "", critique: str | None = None) -> Node:
    """A node whose verdict follows from its id, unless another is given."""
    judged = Verdict(verdict or ("correct" if "c" in node_id.rpartition("/")[2] else "incorrect"))
    return Node(
        id=node_id,
        parent=-1,
        action=Action(text=text),
        observation=Observation(text=shown, grade=Grade(verdict=judged, grader="g", version="1")),
        critique=Critique(text=critique, model="critic") if critique else None,
    )


def tree_of(*nodes: Node, dataset: str = "gsm8k") -> Tree:
    """The tree of one problem with these nodes."""
    problem = Problem(task="Math_CoT", dataset=dataset, instruction="What is 6*7?", reference=Reference(answer="42"))
    return build_tree(problem, list(nodes))


TWO_TURNS = tree_of(
    node("1c", "It is 42."),
    node("1r", "It is 41.", shown="Your answer is wrong.", critique="Count again."),
    node("1r/2c", "Now it is 42."),
    node("1r/2r", "Now it is 43."),
)

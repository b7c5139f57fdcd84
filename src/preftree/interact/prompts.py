"""Every prompt of growing and of multi-turn evaluation, in one place: a model is asked the way it was trained.

Two styles. `tagged` explains the format and a reasoning schema to a general chat model. `flat` says nothing but the
instruction: it is the exported conversation, for models that were trained on exported rows.

All wording is ours; the parts (numbered steps, the three tags, the two schemas, feedback without the answer) are those
of the published method.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from preftree.llm.base import Message
from preftree.llm.config import Style
from preftree.problem import Problem
from preftree.tree import Action, Critique, Node, Observation, Schema

PYTHON_TOOL = "You can use Python: code in a ```python block is run, and what it defines stays defined in later turns."

RIGHT = "Your answer is correct."
WRONG = "Your answer is wrong."
NO_ANSWER = "No answer could be read from your reply."

_ROLE = "You solve problems with care, and you show your work."

_FORMAT_TEXT = """\
Write your reasoning inside <thought> and </thought>. Number every step: "Step 1: ...", "Step 2: ...", and so on.
Then give only the final answer inside <solution> and </solution>, for example: <solution> 42 </solution>"""

_FORMAT_PYTHON = """\
Write your reasoning inside <thought> and </thought>. Number every step: "Step 1: ...", "Step 2: ...", and so on.
Write one Python program inside <execute> and </execute>. Continue the numbering in its comments ("# Step 3: ...").
The program runs in a notebook: the value of its last line is shown, and earlier turns' variables are still there.
Then give the final answer inside <solution> and </solution>: a value, or a Python expression over your variables, for
example: <solution> total </solution>"""

_FORMAT_CODING = """\
Write your reasoning inside <thought> and </thought>. Number every step: "Step 1: ...", "Step 2: ...", and so on.
Then write the complete program inside <solution> and </solution>, with imports, continuing the numbering in its
comments ("# Step 3: ..."). It is run against tests that you do not all see."""

_SCHEMAS: dict[Schema, str] = {
    "cot": "Go step by step: each step does one thing and builds on the steps before it.",
    "modular": "First split the problem into parts. For each part write a small function, then call them to get the answer.",
}
_MODULAR_TEXT = "First split the problem into parts, solve each part on its own, then put the results together."


class Turn(NamedTuple):
    """One finished turn of a conversation."""

    action: Action
    observation: Observation
    critique: Critique | None


def turns_of(nodes: Sequence[Node]) -> list[Turn]:
    """A trajectory of a tree as turns."""
    return [Turn(node.action, node.observation, node.critique) for node in nodes]


def instruction(problem: Problem) -> str:
    """The instruction as exported: the problem's own words, then the tool, if there is one."""
    return f"{problem.instruction}\n\n{PYTHON_TOOL}" if problem.tool == "python" else problem.instruction


def feedback(observation: Observation, critique: Critique | None) -> str:
    """What the actor is told after an action: the environment's words, then the critic's."""
    text = f"Observation:\n{observation.text}"
    return f"{text}\n\nFeedback:\n{critique.text}" if critique and critique.text else text


def conversation(problem: Problem, history: Sequence[Turn]) -> list[tuple[Literal["user", "assistant"], str]]:
    """The flat conversation up to the next action: the exported trajectory of a pair."""
    turns: list[tuple[Literal["user", "assistant"], str]] = [("user", instruction(problem))]
    for turn in history:
        turns.append(("assistant", turn.action.text))
        turns.append(("user", feedback(turn.observation, turn.critique)))
    return turns


def actor_messages(
    problem: Problem, history: Sequence[Turn], *, style: Style, schema: Schema, hint: str | None = None
) -> list[Message]:
    """The conversation that asks an actor for its next action.

    Args:
        problem: what is to be solved.
        history: the turns so far, all of them wrong.
        style: how the actor is asked.
        schema: the reasoning schema; the flat style does not mention it.
        hint: help from the reference, put after the last message (guided elicitation).
    """
    messages = [Message(role=role, content=text) for role, text in conversation(problem, history)]
    if style == "tagged":
        system = "\n\n".join([_ROLE, _format(problem), _schema(problem, schema)])
        messages = [
            Message(role="system", content=system),
            *(
                m.model_copy(update={"content": history[i // 2].action.raw or m.content}) if m.role == "assistant" else m
                for i, m in enumerate(messages)
            ),
        ]
    if hint:
        last = messages[-1]
        messages[-1] = last.model_copy(update={"content": f"{last.content}\n\n{hint}"})
    return messages


def _format(problem: Problem) -> str:
    if problem.task == "Coding" and problem.reference.tests is not None:
        return _FORMAT_CODING
    return _FORMAT_PYTHON if problem.tool == "python" or problem.task == "Coding" else _FORMAT_TEXT


def _schema(problem: Problem, schema: Schema) -> str:
    if schema == "modular" and problem.tool is None and problem.task != "Coding":
        return _MODULAR_TEXT
    return _SCHEMAS[schema]


_GUIDED = {
    "code": """\
Here is a program that is known to be right. Do not mention that you have seen it. Explain it as if you had found it
yourself: mark its steps in comments, say what each is for, and refactor it where that makes it clearer.

```python
{reference}
```""",
    "masked": """\
Here is a sketch of a way to the answer, with its numbers blanked out as [?]. Do not mention it. Follow its idea, work
every number out yourself, and give the answer.

{reference}""",
    "plan": """\
Here is a program that follows a way that is known to be right. Do not mention that you have seen it. Plan the solution
in numbered steps, and write your own program from the plan.

```python
{reference}
```""",
    "modules": """\
Here is a program that follows a way that is known to be right. Do not mention that you have seen it. Turn it into small
functions, one for each part of the problem, plan how they work together, and call them.

```python
{reference}
```""",
}

Guide = Literal["code", "masked", "plan", "modules"]
"""How the reference is put before an actor, by task."""


def guided_hint(guide: Guide, reference: str) -> str:
    """The help that goes after the last message of a guided request."""
    return _GUIDED[guide].format(reference=reference)


def translate_messages(problem: Problem, rationale: str) -> list[Message]:
    """Asks for a gold rationale as a Python program: the first half of guiding math with code."""
    text = (
        f"Problem:\n{problem.instruction}\n\nSolution in words:\n{rationale}\n\n"
        "Write this solution as one short Python program in a ```python block. Compute every number from those of the "
        "problem. The last line is the variable that holds the answer. Write nothing else."
    )
    return [Message(role="user", content=text)]


_CRITIC = """\
You are a teacher. A student's attempt at a problem was run and graded, and you know the right answer. Write feedback for
the student: say which step is the first one that is wrong and why, then suggest a way on. Be short and concrete.
Never state the right answer, nor any number or text from which it can be copied, and never mention that you know it."""


def critic_messages(problem: Problem, history: Sequence[Turn], action: Action, observation: Observation) -> list[Message]:
    """Asks the critic about an action; the critic alone is shown the reference."""
    parts = [f"Problem:\n{instruction(problem)}", f"Known to be right (never reveal it):\n{reference_text(problem)}"]
    for number, turn in enumerate(history, 1):
        parts.append(f"Attempt {number}:\n{turn.action.text}\n\n{feedback(turn.observation, turn.critique)}")
    parts.append(f"The attempt to comment on:\n{action.text}\n\nObservation:\n{observation.text}")
    return [Message(role="system", content=_CRITIC), Message(role="user", content="\n\n---\n\n".join(parts))]


def reference_text(problem: Problem) -> str:
    """All that is known of the truth, for the critic's eyes."""
    reference = problem.reference
    parts = []
    if reference.answer is not None:
        parts.append(f"Answer: {reference.answer}")
    if reference.choices:
        parts.append("Options: " + ", ".join(f"({chr(65 + i)}) {c}" for i, c in enumerate(reference.choices)))
    if reference.rationale:
        parts.append(reference.rationale)
    if reference.solutions:
        parts.append(f"```python\n{reference.solutions[0]}\n```")
    elif reference.tests is not None and reference.tests.kind == "unit":
        parts.append("Tests:\n" + "\n".join(reference.tests.asserts))
    return "\n\n".join(parts)

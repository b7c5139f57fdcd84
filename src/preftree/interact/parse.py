"""What a model wrote becomes an Action: two spellings in, one flat form out.

Tagged, as general chat models are asked::

    <thought> Step 1: … </thought> <execute> code </execute> <solution> answer or code </solution>

Flat, as the rows are exported and as models trained on them write::

    Step 1: …
    ```python
    # Step 2: …
    ```
    Answer: …
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import NamedTuple

from preftree.problem import Task

_TAG = re.compile(r"<(thought|execute|solution)>(.*?)(?:</\1>|(?=<(?:thought|execute|solution)>)|\Z)", re.DOTALL)
_FENCE = re.compile(r"```(?:python|py|Python)?[ \t]*\n(.*?)(?:\n?```|\Z)", re.DOTALL)
_ANSWER = re.compile(r"^[ \t]*(?:\*\*)?(?:Final )?Answer:(?:\*\*)?[ \t]*(.+?)[ \t]*$", re.MULTILINE)
_STEP = re.compile(r"\bStep \d+(?=[:.])")
_MAX_CODE = 100_000


class Parsed(NamedTuple):
    """The parts of one action."""

    flat: str
    """The whole action in the flat form."""
    code: str | None
    """Its program, if it has one."""
    answer: str | None
    """The final answer as stated; None for a Coding action and where none was stated."""


def parse(text: str, task: Task) -> Parsed:
    """Split a model's words into prose, program and answer; never raises, whatever the text.

    In a Coding action the program is the solution: the `<solution>` block, else the last fenced block. Elsewhere it is
    all code in order, and the answer is the `<solution>` block, else the last `Answer:` line.
    """
    tagged = [(m.group(1), m.group(2).strip()) for m in _TAG.finditer(text)]
    if tagged:
        return _parse_tagged(text, tagged, task)
    blocks = [m.group(1).rstrip() for m in _FENCE.finditer(text)]
    code = (blocks[-1] if task == "Coding" else "\n".join(blocks)) if blocks else None
    answers = _ANSWER.findall(_FENCE.sub("", text))
    answer = answers[-1] if answers and task != "Coding" else None
    return Parsed(number_steps(text.strip()), code, answer)


def _parse_tagged(text: str, tagged: list[tuple[str, str]], task: Task) -> Parsed:
    outside = _TAG.sub("", text).strip().removeprefix("Assistant:").strip(" \n.")
    thoughts = [body for tag, body in tagged if tag == "thought" and body]
    executes = [_unfence(body) for tag, body in tagged if tag == "execute"]
    solutions = [body for tag, body in tagged if tag == "solution"]
    prose = "\n".join(thoughts) or outside
    if task == "Coding":
        code = _unfence(solutions[-1]) if solutions else (executes[-1] if executes else None)
        answer = None
    else:
        code = "\n".join(executes) if executes else None
        answer = solutions[-1].removeprefix("Answer:").strip() if solutions else None
    parts = [prose] if prose else []
    if code:
        parts.append(f"```python\n{code}\n```")
    if answer:
        parts.append(f"Answer: {answer}")
    return Parsed(number_steps("\n".join(parts)), code or None, answer or None)


def _unfence(body: str) -> str:
    match = _FENCE.search(body)
    return (match.group(1) if match else body).strip("\n").rstrip()


def number_steps(text: str) -> str:
    """The steps of an action numbered 1, 2, … in one sequence through prose and code comments.

    A text without steps gets `Step 1:` in front, so that every exported action has the published shape.
    """
    if not text:
        return ""
    count = 0

    def next_step(_: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f"Step {count}"

    numbered = _STEP.sub(next_step, text)
    return numbered if count else f"Step 1: {numbered}"


def without_labels(text: str) -> str:
    """An action's text without `Step 1:` and the like, whose numbers are no answers."""
    return re.sub(r"\bStep \d+[:.]", "", text)


def syntax_error(code: str) -> str | None:
    """Why `code` does not parse as Python, or None if it does. The code is not run."""
    if len(code) > _MAX_CODE:
        return f"the program has more than {_MAX_CODE} characters"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as e:
        return f"{type(e).__name__}: {e}"
    return None


def is_computed(answer: str) -> bool:
    """Whether an answer is an expression over names, to be evaluated after the code, rather than a literal or text."""
    if len(answer) > 1000:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(answer, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return any(isinstance(node, ast.Name) for node in ast.walk(tree))

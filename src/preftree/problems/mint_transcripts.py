"""What real models said to MINT's problems: each transcript is cut into its (at most two) proposals.

From https://github.com/xingyaoww/mint-bench, folder data/outputs, gzipped as `<model>/<subset>.jsonl.gz`; a row has
`task.task_id`, `state.history` (the conversation), `state.terminate_reason` and `state.success`. The first message ends
in the task; a model then runs code in `<execute>` and proposes in `<solution>`, over at most five messages.

All of a model's messages up to a proposal become one action: its words in order, the code that it ran (for Coding: the
program that it proposed), its answer. The second proposal, made after "Your answer is wrong.", follows the first one, so
a tree grown from these responses has real first and second attempts. What differs from the original sitting: blocks that
failed when they were run are left out, as a program made of all blocks would stop at them; and the actor sees no output
between its blocks.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from preftree.errors import DataError
from preftree.files import Row, RowError, field, file_rows
from preftree.interact.parse import number_steps, parse
from preftree.llm.recorded import RecordedResponse
from preftree.problem import Problem
from preftree.problems.attempt import Attempt

_WRONG = "Observation:\nYour answer is wrong."
_TAG = re.compile(r"<(execute|solution)>(.*?)</\1>", re.DOTALL)
_UNCLOSED = re.compile(r"<(?:execute|solution)>.*\Z", re.DOTALL)
_LOOSE = re.compile(r"</?(?:thought|execute|solution)>|</s>|```|^\s*Assistant:", re.MULTILINE)
_FENCE = re.compile(r"```([^`\n]*)\n(.*?)(?:```|\Z)", re.DOTALL)
_FAILED = re.compile(r"Traceback \(most recent call last\)|^\w*(?:Error|Exception|Interrupt|Timeout)\b", re.MULTILINE)


class Message(NamedTuple):
    """One message of a model, taken apart."""

    prose: str
    """Its words."""
    code: tuple[str, ...]
    """The blocks that were run."""
    solutions: tuple[str, ...]
    """What it proposed, if it did; some models go on and propose several at once."""


def attempts(folder: Path, problems: Iterable[Problem], models: Sequence[str] = ()) -> Iterator[Attempt]:
    """The recorded proposals for the given MINT problems, model by model, problem by problem, first before second.

    Args:
        folder: holds `<model>/<subset>.jsonl.gz`.
        problems: as `preftree.problems.mint` reads them; transcripts of other problems are passed over.
        models: the models to take, in this order; all folders by name if empty.

    Raises:
        DataError: a model has no folder, or a row is malformed.
    """
    wanted = {(str(p.metadata.get("subset")), str(p.metadata.get("id"))): p for p in problems}
    subsets = dict.fromkeys(subset for subset, _ in wanted)
    for model in models or sorted(p.name for p in folder.iterdir() if p.is_dir()):
        if not (folder / model).is_dir():
            raise DataError(
                f"There are no MINT transcripts of {model}.",
                where=str(folder / model),
                hint="get data/outputs of https://github.com/xingyaoww/mint-bench as <model>/<subset>.jsonl.gz",
            )
        for subset in subsets:
            file = folder / model / f"{subset}.jsonl.gz"
            for where, row in file_rows(file) if file.is_file() else ():
                try:
                    problem = wanted.get((subset, str(field(field(row, "task", dict), "task_id", int))))
                    if problem is not None:
                        yield from transcript_attempts(row, problem, model)
                except RowError as e:
                    raise DataError(
                        "A row is not a MINT transcript.", where=where, why=str(e), hint="get the file again"
                    ) from None


def transcript_attempts(row: Row, problem: Problem, model: str) -> Iterator[Attempt]:
    """The proposals of one transcript, each following the one before it.

    Raises:
        RowError: the row is not a transcript.
    """
    state = field(row, "state", dict)
    history = [(field(m, "role", str), field(m, "content", str)) for m in field(state, "history", list)]
    merged: list[Message] = []
    after: str | None = None
    for index, (role, content) in enumerate(history):
        if role != "assistant":
            continue
        reply = history[index + 1][1] if index + 1 < len(history) else None
        message = take_apart(content)
        if reply is not None and not message.solutions and _FAILED.search(reply):
            message = message._replace(code=())
        merged.append(message)
        if not message.solutions and reply is not None:
            continue
        text = flat_action(merged, coding=problem.task == "Coding")
        merged = []
        if text:
            correct = _verdict(state, reply) if message.solutions else None
            yield Attempt(RecordedResponse(problem=problem.id, after=after, model=model, text=text), correct)
            after = parse(text, problem.task).flat


def _verdict(state: Row, reply: str | None) -> bool | None:
    """What was said of a proposal: in the reply to it, or, for the last one, in the transcript's state."""
    if reply is not None:
        return False if reply.startswith(_WRONG) else None
    return None if field(state, "terminate_reason", str) == "error" else field(state, "success", bool)


def take_apart(content: str) -> Message:
    """A message's words, code and proposals. Without tags, ```python blocks were run."""
    tagged = [(m.group(1), _clean(m.group(2))) for m in _TAG.finditer(content)]
    code = tuple(body for tag, body in tagged if tag == "execute" and body)
    prose = _TAG.sub(_in_words, content)
    if not tagged:
        code = tuple(body.rstrip() for language, body in _FENCE.findall(prose) if language.strip() in ("", "python"))
    prose = _LOOSE.sub("", _UNCLOSED.sub("", _FENCE.sub("", prose))).partition("Observation:")[0]
    lines = [line.strip() for line in prose.splitlines() if line.strip()]
    return Message("\n".join(lines), code, tuple(body for tag, body in tagged if tag == "solution" and body))


def _in_words(tag: re.Match[str]) -> str:
    """What stays of a tag in the prose around it: an answer of one line, so that no sentence is left without its end."""
    body = tag.group(2).strip()
    return "" if tag.group(1) == "execute" or "\n" in body else body


def flat_action(messages: Sequence[Message], *, coding: bool) -> str:
    """Messages up to a proposal as one action in the flat form.

    A Coding action's program is what was proposed (all of it, as MINT ran it), or what was run last if nothing was. An
    answer is the first that was proposed: what models write after it is another problem of their own making.
    """
    solutions = messages[-1].solutions
    blocks = [block for message in messages for block in message.code]
    if coding:
        blocks = ["\n".join(solutions)] if solutions else blocks[-1:]
    parts = [message.prose for message in messages if message.prose]
    if blocks:
        parts.append("```python\n" + "\n".join(blocks) + "\n```")
    if solutions and not coding:
        parts.append(f"Answer: {' '.join(solutions[0].removeprefix('Answer:').split())}")
    return number_steps("\n".join(parts))


def _clean(body: str) -> str:
    """What a tag holds, without a fence and stray tags, starting at the margin."""
    match = _FENCE.search(body)
    return textwrap.dedent(_LOOSE.sub("", match.group(2) if match else body).strip("\n")).strip()

"""What a model wrote becomes an Action: two spellings in, one flat form out.

Tagged, as general chat models are asked::

    <thought> Step 1: … </thought> <execute> code </execute> <solution> answer or code </solution>

Flat, as the rows are exported and as models trained on them write::

    Step 1: …
    ```python
    # Step 2: …
    ```
    Answer: …

The tagged spelling is first turned into the flat one; program and answer are always read from the flat text, so that
what is exported is what was run. All patterns are linear in the text's length.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from typing import NamedTuple

from preftree.problem import Task

_TAG = re.compile(r"<(thought|execute|solution)>(.*?)(?:</\1>|(?=<(?:thought|execute|solution)>)|\Z)", re.DOTALL)
_CLOSING_TAG = re.compile(r"</(?:thought|execute|solution)>")
_FENCE_LINE = re.compile(r"^([^\n`]*)(`{3,})([^\n`]*)$", re.MULTILINE)
_FENCE_MARK = re.compile(r"`{3,}\w*")
_BACKTICKS = re.compile(r"`{3,}")
_ANSWER = re.compile(r"^[ \t]*(?:\*\*)?(?:[Ff]inal )?Answer:([^\n]*)$", re.MULTILINE)
# A step begins a line or is followed by a colon; "as in Step 2." within a sentence refers to one.
_STEP = re.compile(r"\bStep \d+(?=\*{0,2}:)|(?:(?<=\n)|(?<![\s\S]))Step \d+(?=\.)")
_QUOTED_OR_COMMENT = re.compile(
    r"'''[^'\\]*(?:(?:\\.?|'(?!''))[^'\\]*)*(?:'''|\Z)"
    r'|"""[^"\\]*(?:(?:\\.?|"(?!""))[^"\\]*)*(?:"""|\Z)'
    r"|'[^'\\\n]*(?:\\.?[^'\\\n]*)*'?"
    r'|"[^"\\\n]*(?:\\.?[^"\\\n]*)*"?'
    r"|(?P<comment>#[^\n]*)",
    re.DOTALL,
)
_PYTHON = ("python", "python3", "py")
_MAX_CODE = 100_000


class Parsed(NamedTuple):
    """The parts of one action."""

    flat: str
    """The whole action in the flat form."""
    code: str | None
    """Its program, if it has one: as in `flat`, less an indentation of the whole block."""
    answer: str | None
    """The final answer as stated; None where tests decide and where none was stated."""


class _Block(NamedTuple):
    """A fenced block; `text[start:end]` is what is inside."""

    opening: int
    start: int
    end: int
    closing: int
    language: str
    fence: str
    closed: bool


def parse(text: str, task: Task, *, tests: bool = True) -> Parsed:
    """Split a model's words into prose, program and answer; never raises, whatever the text.

    In a Coding action that tests decide, the program is the solution: the `<solution>` block, else the last fenced
    block. Elsewhere it is all code in order, and the answer is the `<solution>` block, else the last `Answer:` line.
    Fences without a language count as Python only where no block says that it is.

    Args:
        text: what the model said.
        task: the problem's task.
        tests: whether a Coding problem has tests, rather than an answer.
    """
    program_only = task == "Coding" and tests
    tagged = [(m.group(1), m.group(2)) for m in _TAG.finditer(text)]
    flat = number_steps(_flatten(text, tagged, program_only) if tagged else text.strip())
    blocks = _programs(flat)
    programs = [_dedent(flat[b.start : b.end]) for b in blocks]
    code = (programs[-1] if program_only else "\n".join(programs)) if programs else ""
    answer = None if program_only else _stated(flat, blocks)
    return Parsed(flat, code or None, answer)


def _flatten(text: str, tagged: list[tuple[str, str]], program_only: bool) -> str:
    outside = _CLOSING_TAG.sub(" ", _TAG.sub("\n", text)).strip().removeprefix("Assistant:").strip(" \n.")
    thoughts = [body.strip() for tag, body in tagged if tag == "thought" and body.strip()]
    executes = [code for tag, body in tagged if tag == "execute" and (code := _unfence(body))]
    solutions = [body for tag, body in tagged if tag == "solution" and body.strip()]
    answer = ""
    if program_only:
        code = _unfence(solutions[-1]) if solutions else (executes[-1] if executes else "")
    else:
        code = "\n".join(executes)
        if solutions:
            answer = _tidy(_FENCE_MARK.sub("", solutions[-1]).strip().removeprefix("Answer:"))
    # What stands outside the tags is noise, unless a tag was forgotten: the program or the answer may then be there.
    complete = code if program_only else answer
    prose = "\n".join([*thoughts, outside] if outside and not (thoughts and complete) else thoughts)
    if code:
        # The only fences of the flat form are those of programs.
        prose = _FENCE_MARK.sub("", prose).strip()
    elif (blocks := _blocks(prose)) and not blocks[-1].closed:
        prose += f"\n{blocks[-1].fence}"
    parts = [prose] if prose else []
    if code:
        fence = "`" * max(3, *(len(run) + 1 for run in _BACKTICKS.findall(code)), 3)
        parts.append(f"{fence}python\n{code}\n{fence}")
    if answer:
        parts.append(f"Answer: {answer}")
    return "\n".join(parts)


def _unfence(body: str) -> str:
    """The program in a tag: its fenced blocks, if it has any and is not Python as it stands."""
    first, _, rest = body.partition("\n")
    # Code may begin behind the tag, on its line: the indentation of the other lines is then its own.
    code = _dedent(body.lstrip() if first.strip() else rest)
    blocks = _programs(code)
    if blocks and (code.startswith("```") or syntax_error(code)):
        return "\n".join(_dedent(code[b.start : b.end]) for b in blocks)
    return code


def _dedent(code: str) -> str:
    """Code without empty lines around it, and without the indentation that all of its lines share."""
    code = code.strip("\n").rstrip()
    return textwrap.dedent(code) if code[:1] in (" ", "\t") else code


def _stated(flat: str, blocks: list[_Block]) -> str | None:
    """The last `Answer:` line outside the programs."""
    ends = [0, *(b.closing for b in blocks)]
    starts = [*(b.opening for b in blocks), len(flat)]
    prose = "\n".join(flat[end:start] for end, start in zip(ends, starts, strict=True))
    answers = [answer for line in _ANSWER.findall(prose) if (answer := _tidy(line))]
    return answers[-1] if answers else None


def _tidy(answer: str) -> str:
    """An answer on one line, without Markdown around it."""
    return " ".join(answer.split()).strip("*` ")


def _programs(text: str) -> list[_Block]:
    """The blocks that hold Python."""
    blocks = [b for b in _blocks(text) if text[b.start : b.end].strip()]
    python = [b for b in blocks if b.language in _PYTHON]
    return python or [b for b in blocks if not b.language]


def _blocks(text: str) -> list[_Block]:
    """All fenced blocks. Closed at the next fence of the same length or more, as models write them: also behind code
    on its line, by text behind it, or by the next block's opening; else at the end of the text."""
    found: list[_Block] = []
    opened: _Block | None = None
    for match in _FENCE_LINE.finditer(text):
        before, fence, info = match.group(1).strip(), match.group(2), match.group(3).strip().lower()
        language = info.split()[0] if info else ""
        if opened is not None:
            if len(fence) < len(opened.fence) or (before and info):
                continue
            end = match.start(2) if before else match.start()
            found.append(opened._replace(end=max(opened.start, end), closing=match.end(2), closed=True))
            opened = None
            if language not in _PYTHON:
                continue
        if not before or not language or language in _PYTHON:
            opened = _Block(match.start(2), min(match.end() + 1, len(text)), len(text), len(text), language, fence, False)
    return [*found, opened] if opened is not None else found


def number_steps(text: str) -> str:
    """The steps of an action numbered 1, 2, … in one sequence through prose and code comments.

    Of a program only the comments are touched: a `Step 3:` that it prints stays. A text without steps gets `Step 1:`
    in front, so that every exported action has the published shape.
    """
    if not text:
        return ""
    count = 0

    def next_step(_: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f"Step {count}"

    def in_code(match: re.Match[str]) -> str:
        return _STEP.sub(next_step, match.group()) if match.group("comment") else match.group()

    parts = []
    done = 0
    for block in _programs(text):
        parts.append(_STEP.sub(next_step, text[done : block.start]))
        parts.append(_QUOTED_OR_COMMENT.sub(in_code, text[block.start : block.end]))
        done = block.end
    parts.append(_STEP.sub(next_step, text[done:]))
    numbered = "".join(parts)
    if count:
        return numbered
    # A fence and an answer must begin their lines.
    return f"Step 1:\n{numbered}" if numbered.startswith("```") or _ANSWER.match(numbered) else f"Step 1: {numbered}"


def syntax_error(code: str) -> str | None:
    """Why Python cannot compile `code`, or None if it can. The code is not run."""
    if len(code) > _MAX_CODE:
        return f"the program has more than {_MAX_CODE} characters"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Compiled, not only parsed: a `return` outside a function is a mistake of syntax too.
            compile(code, "<action>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as e:
        return f"{type(e).__name__}: {e}".removesuffix(": ")
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

"""Real models' answers to GSM8K's test problems, each with the published verdict.

From https://github.com/qtli/GSM-Plus, folder results/gsm8k_results (CC-BY-SA-4.0). Models that reason in text belong to
the problems without the tool, those that write programs to the problems with it. Each has its own shape of row:

- abel, gpt-*: `question`, `model_prediction` ("... #### 18"), `pred`, `gold`, `result`;
- metamath: `input` (the prompt around the question), `completion` ("... #### 18\\nThe answer is: 18"), `result`;
- tora: `question`, `code` (one text: a program, an ```output block, a sentence with the answer), `result`;
- sego: `task_id` (the MD5 of the question), `solution` (a program that defines `solve()`), `is_correct`.

A recorded output that the model was given for its own program is left out, with the sentence written after it: the
sandbox runs the program, and the answer is what it computes. Programs come without a word, so a first step is put before
them.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from preftree.errors import DataError
from preftree.files import Row, RowError, field, file_rows
from preftree.llm.recorded import RecordedResponse
from preftree.problem import Problem, Task
from preftree.problems.attempt import Attempt

_MARK = r"(?:The answer is:?[ \t]*####|The answer is:?|####)[ \t]*"
_STATED = re.compile(rf"{_MARK}(?P<number>-?\$?-?[\d,]*\.?\d+(?:/\d+)?%?)?(?P<rest>[^\n]*)")
_CLOSING = re.compile(rf"(?:(?:^|\n|(?<=[.!?]))\s*{_MARK}[^\n]*)+\s*\Z")
_NUMBERED = re.compile(r"^(\d+)\. ", re.MULTILINE)
_PROGRAM = re.compile(r"```python\n(.*?)(?:\n?```|\Z)", re.DOTALL)
_QUESTION = re.compile(r"### Instruction:\n(.*?)\n\n### Response", re.DOTALL)


def attempts(folder: Path, problems: Iterable[Problem], models: Sequence[str] = ()) -> Iterator[Attempt]:
    """The recorded answers to the given GSM8K test problems, model by model in the order of their files' names.

    Args:
        folder: holds `<model>.json.gz` or `<model>.jsonl.gz`.
        problems: GSM8K test problems with or without the tool; rows for other problems are passed over.
        models: the models to take, in this order; all if empty.

    Raises:
        DataError: there is no file for a model, or a row is malformed.
    """
    wanted = {(p.task, question_key(p.instruction)): p.id for p in problems}
    for name, path in _files(folder, models):
        for where, row in file_rows(path):
            try:
                task, key, text, correct = read(row)
            except RowError as e:
                raise DataError(
                    "A row is not a recorded GSM8K answer.", where=where, why=str(e), hint="see preftree.problems.gsm8k_results"
                ) from None
            if problem := wanted.get((task, key)):
                yield Attempt(RecordedResponse(problem=problem, model=name, text=text), correct)


def read(row: Row) -> tuple[Task, str, str, bool]:
    """(task, key of the question, action in the flat form, published verdict) of one row of any of the models.

    Raises:
        RowError: the row has none of the known shapes.
    """
    if "solution" in row:
        text = flat_program(field(row, "solution", str), "solve()")
        return "Math_PoT", field(row, "task_id", str), text, field(row, "is_correct", bool)
    correct = field(row, "result", bool)
    if "code" in row:
        code = field(row, "code", list)
        if not code or not isinstance(code[0], str):
            raise RowError("the field 'code' should hold one text")
        return "Math_PoT", question_key(field(row, "question", str)), _flat_tora(code[0]), correct
    if "completion" in row:
        match = _QUESTION.search(field(row, "input", str))
        if match is None:
            raise RowError("the field 'input' holds no '### Instruction:'")
        return "Math_CoT", question_key(match.group(1)), _flat_text(field(row, "completion", str)), correct
    return "Math_CoT", question_key(field(row, "question", str)), _flat_text(field(row, "model_prediction", str)), correct


def _files(folder: Path, models: Sequence[str]) -> list[tuple[str, Path]]:
    """Each model with its file."""
    endings = (".json.gz", ".jsonl.gz")
    found = {p.name.removesuffix(e): p for p in sorted(folder.glob("*")) for e in endings if p.name.endswith(e)}
    missing = [m for m in models if m not in found]
    if missing or not found:
        raise DataError(
            f"The folder {folder} holds no recorded answers" + (f" of {', '.join(missing)}." if missing else "."),
            where=str(folder),
            why=f"found {', '.join(found) or 'no *.json.gz or *.jsonl.gz'}",
            hint="get the folder results/gsm8k_results of https://github.com/qtli/GSM-Plus and gzip its files",
        )
    return [(name, found[name]) for name in models or found]


def question_key(question: str) -> str:
    """The MD5 of a question, as the program models' rows name it."""
    return hashlib.md5(question.strip().encode("utf-8"), usedforsecurity=False).hexdigest()


def flat_program(code: str, answer: str | None) -> str:
    """A program and the expression of its answer as an action."""
    text = f"Step 1: Write a program that computes the answer.\n```python\n{code.strip()}\n```"
    return f"{text}\nAnswer: {answer}" if answer else text


def _flat_text(text: str) -> str:
    """Prose with numbered steps, and the stated answer on a line of its own; text that states none has no such line.

    Of `#### 10 spoons.` the answer is 10: the models were told to give a number there.
    """
    text = text.strip()
    stated = list(_STATED.finditer(text))
    answer = (stated[-1]["number"] or stated[-1]["rest"].strip()) if stated else ""
    prose = _CLOSING.sub("", text).replace("#### ", "").strip()
    prose = _NUMBERED.sub(r"Step \1: ", prose)
    return f"{prose}\nAnswer: {answer}".strip() if answer else prose


def _flat_tora(text: str) -> str:
    """The program alone; its answer is what its last line prints."""
    match = _PROGRAM.search(text)
    if match is None:
        return text
    return flat_program(match.group(1), _printed(match.group(1)))


def _printed(code: str) -> str | None:
    """The one expression that a program's last statement prints."""
    try:
        last = ast.parse(code).body[-1]
    except (SyntaxError, IndexError):
        return None
    match last:
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[argument], keywords=[])):
            return ast.unparse(argument)
    return None

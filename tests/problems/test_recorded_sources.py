"""Recorded models' outputs become actions that the parser reads, and follow each other as they did."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from preftree.errors import DataError
from preftree.files import RowError
from preftree.interact.parse import parse
from preftree.problems import gsm8k, gsm8k_results, mint, mint_transcripts

QUESTION = "How many eggs?"
PROBLEMS = gsm8k.problems({"question": QUESTION, "answer": "16 - 7 = 9\n#### 9"})
POT, COT = PROBLEMS


def results(folder: Path, name: str, rows: list[dict[str, Any]], *, lines: bool) -> None:
    text = "\n".join(map(json.dumps, rows)) if lines else json.dumps(rows)
    (folder / name).write_bytes(gzip.compress(text.encode()))


TORA = """```python
def eggs():
    \"\"\"How many eggs?\"\"\"
    return 16 - 7

eggs = eggs()
print(eggs)
```
```output
9
```
There are $\\boxed{9}$ eggs."""


def test_a_program_is_kept_without_its_recorded_output() -> None:
    task, key, text, correct = gsm8k_results.read({"question": QUESTION, "code": [TORA], "result": True})
    parsed = parse(text, task)
    assert (task, correct, parsed.answer) == ("Math_PoT", True, "eggs")
    assert parsed.code is not None
    assert parsed.code.endswith("print(eggs)")
    assert "boxed" not in text
    assert "output" not in text
    assert key == gsm8k_results.question_key(f" {QUESTION}\n")


@pytest.mark.parametrize(
    ("last", "answer"),
    [("print(round(x))", "round(x)"), ("print(a, b)", None), ("return x", None), ("x = ¾", None), ("print(x, end='')", None)],
)
def test_the_answer_of_a_program_is_what_its_last_line_prints(last: str, answer: str | None) -> None:
    _, _, text, _ = gsm8k_results.read({"question": QUESTION, "code": [f"```python\nx = 1\n{last}\n```"], "result": False})
    assert parse(text, "Math_PoT").answer == answer
    assert parse(text, "Math_PoT").code == f"x = 1\n{last}"


def test_a_program_that_defines_solve_is_joined_by_the_md5_of_its_question() -> None:
    task, key, text, correct = gsm8k_results.read(
        {"task_id": "003c", "solution": "def solve():\n    return 9\n", "is_correct": False}
    )
    assert (task, key, correct) == ("Math_PoT", "003c", False)
    assert parse(text, task)[1:] == ("def solve():\n    return 9", "solve()")


@pytest.mark.parametrize(
    ("text", "prose", "answer"),
    [
        ("1. It is 9.\n2. Thus, it is 9. #### 9 ", "Step 1: It is 9.\nStep 2: Thus, it is 9.", "9"),
        ("It is 9.\n#### 9\nThe answer is: 9", "Step 1: It is 9.", "9"),
        ("It is 9.The answer is: 9", "Step 1: It is 9.", "9"),
        ("He ate 1 more. The answer is #### 1.", "Step 1: He ate 1 more.", "1"),
        ("So it is #### 10 spoons.", "Step 1: So it is 10 spoons.", "10"),
        ("So x = #### 60\n\nHence it is $60.", "Step 1: So x = 60\n\nHence it is $60.", "60"),
        ("He has #### $1,600.50 left.", "Step 1: He has $1,600.50 left.", "$1,600.50"),
        ("He has #### -$160.00.", "Step 1: He has -$160.00.", "-$160.00"),
        ("He has #### 1/3 of it.", "Step 1: He has 1/3 of it.", "1/3"),
        ("It is.\n\n#### none", "Step 1: It is.", "none"),
    ],
)
def test_prose_ends_in_its_stated_answer(text: str, prose: str, answer: str) -> None:
    task, _, action, _ = gsm8k_results.read({"question": QUESTION, "model_prediction": text, "result": True})
    parsed = parse(action, task)
    assert (task, parsed.code, parsed.answer) == ("Math_CoT", None, answer)
    assert parsed.flat == f"{prose}\nAnswer: {answer}"


def test_prose_that_states_no_answer_gets_none() -> None:
    row = {"input": f"### Instruction:\n{QUESTION}\n\n### Response: Go.", "completion": "\nIt is 5 and", "result": False}
    task, key, action, _ = gsm8k_results.read(row)
    assert (action, parse(action, task).answer) == ("It is 5 and", None)
    assert key == gsm8k_results.question_key(QUESTION)


def test_rows_meet_the_problem_of_their_task(tmp_path: Path) -> None:
    text = {"question": QUESTION, "model_prediction": "#### 9", "result": True}
    program = {"question": QUESTION, "code": [TORA], "result": False}
    other = {**text, "question": "Another?"}
    results(tmp_path, "gpt.json.gz", [other, text], lines=False)
    results(tmp_path, "tora.jsonl.gz", [program], lines=True)
    attempts = list(gsm8k_results.attempts(tmp_path, PROBLEMS))
    assert [(a.response.model, a.response.problem, a.correct) for a in attempts] == [
        ("gpt", COT.id, True),
        ("tora", POT.id, False),
    ]
    assert [a.response.model for a in gsm8k_results.attempts(tmp_path, PROBLEMS, ["tora"])] == ["tora"]
    with pytest.raises(DataError, match="of abel") as e:
        list(gsm8k_results.attempts(tmp_path, PROBLEMS, ["abel"]))
    assert "gpt, tora" in e.value.why
    results(tmp_path, "tora.jsonl.gz", [program, {"result": 1}], lines=True)
    with pytest.raises(DataError) as e:
        list(gsm8k_results.attempts(tmp_path, PROBLEMS, ["tora"]))
    assert e.value.where.endswith("tora.jsonl.gz, line 2")


MATH = mint.problem({"id": 4, "prompt": "What is 6 * 7?", "reference": "42.0"}, "math")
WRONG = "Observation:\nYour answer is wrong.\nYou have 3 steps left and 1 chances to propose solution left.\n"


def transcript(*said: str, success: bool = False, reason: str = "max_propose_steps", last: bool = True) -> dict[str, Any]:
    history = [{"role": "user", "content": "Example.\n---\n\nTask:\nWhat is 6 * 7?"}]
    for index, text in enumerate(said):
        history.append({"role": "assistant" if index % 2 == 0 else "user", "content": text})
    return {"task": {"task_id": 4}, "state": {"history": history, "success": success, "terminate_reason": reason}}


TWO = transcript(
    "Assistant:\n<thought> Multiply. </thought>\n<execute>\nx = 6 * 8\nx\n</execute>\n",
    "Observation:\nOut[1]: 48\nYou have 4 steps left.",
    "Assistant:\n<thought> Check it. </thought>\n<execute>\nx / 0\n</execute>",
    "Observation:\n---\nZeroDivisionError                 Traceback (most recent call last)\nCell In[2], line 1\n",
    "Assistant:\nThe answer is <solution> 48 </solution>.",
    WRONG,
    "Assistant:\n<thought> I multiplied by 8. </thought>\n<execute>\nx = x - 6\n</execute>",
    "Observation:\n[Executed Successfully with No Output]\n",
    "Assistant:\n<solution>x</solution>",
    success=True,
    reason="task_success",
)


def test_a_transcript_is_cut_into_its_proposals() -> None:
    first, second = mint_transcripts.transcript_attempts(TWO, MATH, "m")
    assert first.response.text == ("Step 1: Multiply.\nCheck it.\nThe answer is 48.\n```python\nx = 6 * 8\nx\n```\nAnswer: 48")
    assert second.response.text == "Step 1: I multiplied by 8.\nx\n```python\nx = x - 6\n```\nAnswer: x"
    assert (first.correct, second.correct) == (False, True)
    assert first.response.after is None


def test_the_second_proposal_follows_exactly_what_the_parser_makes_of_the_first() -> None:
    first, second = mint_transcripts.transcript_attempts(TWO, MATH, "m")
    parsed = parse(first.response.text, MATH.task)
    assert second.response.after == parsed.flat == first.response.text
    assert (parsed.code, parsed.answer) == ("x = 6 * 8\nx", "48")


@pytest.mark.parametrize(
    ("row", "verdicts"),
    [
        (transcript("<solution>1</solution>", WRONG, "<execute>y</execute>", reason="max_steps"), [False, None]),
        (transcript("<solution>1</solution>", WRONG, reason="error"), [False]),
        (transcript("<solution>1</solution>", reason="error"), [None]),
        (transcript("<solution>1</solution>", reason="max_steps"), [False]),
        (transcript("<solution> </solution> <thought>", WRONG, "<solution>2</solution>", success=True), [True]),
        (transcript("Assistant:\n", reason="max_steps"), []),
    ],
)
def test_a_verdict_only_where_one_was_given(row: dict[str, Any], verdicts: list[bool | None]) -> None:
    assert [a.correct for a in mint_transcripts.transcript_attempts(row, MATH, "m")] == verdicts


@pytest.mark.parametrize(
    ("content", "prose", "code", "solutions"),
    [
        ("Assistant:\n Step 1: Go.\n```python\n# Step 2: Do.\nx = 1\n```\n", "Step 1: Go.", ("# Step 2: Do.\nx = 1",), ()),
        ("<execute>\n```python\nx = 1\n```\n</execute>", "", ("x = 1",), ()),
        ("<execute> print(1)\n print(2) </execute>", "", ("print(1)\nprint(2)",), ()),
        ("<execute>\n    def f():\n        return 1\n</execute>", "", ("def f():\n    return 1",), ()),
        ("<thought> A. </thought> So <solution> 4 </solution>.</s>\n", "A.  So 4.", (), ("4",)),
        ("<thought> A. </thought> <solution>\ndef f():\n    return", "A.", (), ()),
        ("<thought> A.\nObservation:\nOut[1]: 3\n", "A.", (), ()),
        ("<solution>1</solution> or <solution>2</solution>", "1 or 2", (), ("1", "2")),
        ("A.\n```output\n3\n```\nB.", "A.\nB.", (), ()),
    ],
)
def test_a_message_is_taken_apart(content: str, prose: str, code: tuple[str, ...], solutions: tuple[str, ...]) -> None:
    assert mint_transcripts.take_apart(content) == mint_transcripts.Message(prose, code, solutions)


def test_the_program_of_a_coding_action_is_what_was_proposed() -> None:
    take = mint_transcripts.take_apart
    tried = take("<thought> Try. </thought><execute>\nassert f(1)\n</execute>")
    proposed = take("<solution>\ndef g(): return 1\n</solution>\n<solution>\ndef f(x): return g()\n</solution>")
    text = mint_transcripts.flat_action([tried, proposed], coding=True)
    assert parse(text, "Coding").code == "def g(): return 1\ndef f(x): return g()"
    assert parse(mint_transcripts.flat_action([tried], coding=True), "Coding").code == "assert f(1)"


def test_transcripts_meet_their_problems(tmp_path: Path) -> None:
    for model in ("b", "a"):
        (tmp_path / model).mkdir()
        (tmp_path / model / "math.jsonl.gz").write_bytes(gzip.compress(json.dumps(TWO).encode()))
    attempts = list(mint_transcripts.attempts(tmp_path, [MATH]))
    assert [(a.response.model, a.response.problem) for a in attempts] == [(m, MATH.id) for m in "aabb"]
    other = mint.problem({"id": 5, "prompt": "What?", "reference": "1"}, "math")
    assert list(mint_transcripts.attempts(tmp_path, [other])) == []
    with pytest.raises(DataError, match="of c"):
        list(mint_transcripts.attempts(tmp_path, [MATH], ["c"]))
    (tmp_path / "a" / "math.jsonl.gz").write_bytes(gzip.compress(b'{"task": {"task_id": 4}}\n'))
    with pytest.raises(DataError) as e:
        list(mint_transcripts.attempts(tmp_path, [MATH]))
    assert e.value.where.endswith("math.jsonl.gz, line 1")


def test_a_row_of_no_known_shape() -> None:
    with pytest.raises(RowError, match="result"):
        gsm8k_results.read({"question": QUESTION})

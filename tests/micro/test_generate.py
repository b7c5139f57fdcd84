from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preftree.errors import InputError
from preftree.interact.parse import parse, syntax_error
from preftree.micro import arithmetic_templates, coding, generate, logic
from preftree.micro.conversations import lessons
from preftree.micro.generate import TASKS, drafts, held_out
from preftree.problem import Problem, UnitTests

seeds = st.integers(0, 2**31)


def run_python(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_there_are_at_least_forty_templates() -> None:
    kinds = [t.name for t in (*arithmetic_templates.TEMPLATES, *coding.TEMPLATES, *logic.TEMPLATES)]
    assert len(set(kinds)) == len(kinds) >= 40


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_the_same_seed_gives_the_same_problems_and_none_twice(seed: int) -> None:
    first, again = list(generate(24, seed)), list(generate(24, seed))
    assert first == again
    assert len({p.id for p in first}) == 24
    assert [p.task for p in first] == list(TASKS) * 6


def test_a_longer_list_begins_with_the_shorter_one() -> None:
    assert list(generate(40, 3))[:12] == list(generate(12, 3))


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_what_is_trained_on_is_never_generated(seed: int) -> None:
    assert all(held_out(p) for p in generate(12, seed))
    assert not any(held_out(d.problem) for d in drafts(12, seed, train=True))


def test_the_models_lessons_are_on_the_training_side() -> None:
    shown = {p.instruction for p in generate(2000, 0)}
    learnt = {lesson.messages[0][1].partition("\n\n")[0] for lesson in lessons(2000, 1, feedback=0.0, mistakes={})}
    assert len(learnt) > 1000
    assert not shown & learnt


_EQUATION = re.compile(r"= (-?\d+) ([-+*/]) (-?\d+) = (-?\d+)$", re.MULTILINE)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_every_line_of_a_rationale_in_words_is_right_and_ends_in_the_answer(seed: int) -> None:
    for problem in generate(8, seed, ["Math_CoT", "Math_PoT"]):
        rationale, answer = problem.reference.rationale, problem.reference.answer
        assert rationale is not None
        equations = _EQUATION.findall(rationale)
        assert 1 <= len(equations) <= 4
        assert len(equations) == len(rationale.splitlines())
        for a, op, b, value in equations:
            by_hand = {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b), "/": int(a) / int(b or 1)}[op]
            assert by_hand == int(value)
            assert 0 <= int(value) <= 100
        assert equations[-1][3] == answer


def test_reference_programs_give_the_gold_answers() -> None:
    problems = list(generate(200, 11, ["Math_PoT"]))
    rows = []
    for problem in problems:
        *body, last = problem.reference.solutions[0].split("\n")
        rows.append("\n".join([*body, f"print({last})"]))
    assert run_python("\n".join(rows)) == [p.reference.answer for p in problems]


def test_reference_solutions_pass_their_tests_and_wrong_actions_do_not() -> None:
    rows, expected = [], []
    for draft in drafts(150, 5, ["Coding"]):
        tests = draft.problem.reference.tests
        assert isinstance(tests, UnitTests)
        assert tests.entry_point
        assert len(tests.asserts) >= 2
        wrong = _wrong_texts(draft, 3)
        for code, passes in [(draft.problem.reference.solutions[0], True), *((parse(w, "Coding").code, False) for w in wrong)]:
            assert code is not None
            assert syntax_error(code) is None
            rows.append([code, list(tests.asserts)])
            expected.append(str(passes))
    program = f"""
import json
for code, asserts in json.loads({json.dumps(json.dumps(rows))}):
    names = {{}}
    try:
        exec(code, names)
        for line in asserts:
            exec(line, names)
    except Exception:
        print(False)
    else:
        print(True)
"""
    assert run_python(program) == expected
    assert expected.count("False") > 100


def _wrong_texts(draft: object, n: int) -> list[str]:
    from random import Random

    return [w.text for i in range(n) if (w := draft.wrong(Random(i)))]  # type: ignore[attr-defined]


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_right_actions_parse_to_the_gold_answer_and_wrong_ones_do_not(seed: int) -> None:
    for draft in drafts(8, seed, ["Math_CoT", "Logic"]):
        problem = draft.problem
        parsed = parse(draft.right, problem.task)
        assert parsed.flat == draft.right
        assert parsed.answer == problem.reference.answer
        for text in _wrong_texts(draft, 4):
            assert parse(text, problem.task).answer not in (None, problem.reference.answer)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_multiple_choice_gold_is_one_of_the_options_and_shown(seed: int) -> None:
    for problem in generate(8, seed, ["Logic"]):
        reference = problem.reference
        if reference.kind == "choice":
            assert reference.answer in [chr(65 + i) for i in range(len(reference.choices))]
            assert len(set(reference.choices)) == len(reference.choices)
            assert all(f"({chr(65 + i)}) {c}" in problem.instruction for i, c in enumerate(reference.choices))


def test_instructions_are_short() -> None:
    lengths = sorted(len(re.findall(r"\w+|[^\w\s]", p.instruction)) for p in generate(400, 2))
    assert lengths[len(lengths) // 2] <= 40
    assert lengths[-1] <= 75


def test_distractors_stand_in_about_a_fifth_of_the_texts() -> None:
    found: list[Problem] = [p for p in generate(400, 4, ["Math_CoT"]) if p.metadata["distractor"] is not None]
    assert 40 < len(found) < 130
    for problem in found:
        assert f" {problem.metadata['distractor']} " in problem.instruction


@pytest.mark.parametrize("tasks", [["Poetry"], []])
def test_unknown_tasks_are_refused(tasks: list[str]) -> None:
    with pytest.raises(InputError):
        list(islice(generate(1, 0, tasks), 1))  # type: ignore[arg-type]

"""Problems: content-hash ids, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import strategies
from preftree.problem import IOTests, Problem, Reference, UnitTests

SUM: dict[str, Any] = {
    "task": "Math_PoT",
    "dataset": "sums",
    "instruction": "What is 2 + 2?",
    "tool": "python",
    "reference": {"answer": "4", "rationale": "2 + 2 = 4", "solutions": ["print(4)"]},
}


def test_the_id_of_a_problem_never_changes() -> None:
    # Published rows and journals name problems by these ids: a change here orphans them all.
    assert Problem.model_validate(SUM).id == "ee30496a7b54bf0d"
    code = Problem(
        task="Coding",
        dataset="é",
        instruction="Add.",
        reference=Reference(tests=UnitTests(asserts=("assert f(1) == 2",), setup="import math", entry_point="f")),
    )
    assert code.id == "7a3382e2ffa98266"


def test_the_id_depends_on_the_content_alone() -> None:
    problem = Problem.model_validate(SUM)
    turned = dict(reversed(SUM.items())) | {"reference": dict(reversed(SUM["reference"].items()))}
    assert Problem.model_validate(turned).id == problem.id
    assert Problem.model_validate(SUM | {"reference": SUM["reference"] | {"solutions": ("print(4)",)}}).id == problem.id
    assert Problem.model_validate(SUM | {"metadata": {"level": 3}}).id == problem.id
    assert Problem.model_validate(SUM | {"id": problem.id}) == problem
    assert Problem.model_validate(SUM | {"id": ""}) == problem


@pytest.mark.parametrize(
    "change",
    [
        *({"task": "Math_CoT"}, {"dataset": "other"}, {"instruction": "What is 2 + 2 ?"}, {"tool": None}),
        {"reference": SUM["reference"] | {"answer": "5"}},
        {"reference": SUM["reference"] | {"kind": "string"}},
        {"reference": SUM["reference"] | {"solutions": []}},
    ],
)
def test_other_content_has_another_id(change: dict[str, Any]) -> None:
    assert Problem.model_validate(SUM | change).id != Problem.model_validate(SUM).id


@given(
    strategies.problems(),
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.none() | st.integers() | st.lists(st.booleans())),
)
def test_json_round_trip_is_exact(problem: Problem, metadata: dict[str, Any]) -> None:
    problem = Problem.model_validate(problem.model_dump() | {"metadata": metadata})
    text = problem.model_dump_json()
    again = Problem.model_validate_json(text)
    assert again == problem
    assert again.model_dump_json() == text
    assert Problem.model_validate(problem.model_dump(mode="json")) == problem
    assert Problem.model_validate(problem.model_dump(mode="json", exclude_unset=True)).id == problem.id


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": "0" * 16}, "is not the hash of the content"),
        ({"id": "-"}, "is not the hash of the content"),
        ({"instruction": ""}, "at least 1 character"),
        ({"task": "Math"}, "'Coding', 'Math_PoT', 'Math_CoT' or 'Logic'"),
        ({"tool": "search"}, "python"),
        ({"level": 3}, "Extra inputs"),
        ({"reference": {}}, "no gold answer"),
        ({"reference": {"answer": " \n"}}, "the gold answer is empty"),
        ({"reference": {"answer": "A", "kind": "choice"}}, "needs its choices"),
        ({"task": "Coding", "reference": {}}, "needs tests or an answer"),
        ({"reference": {"answer": "4", "tests": {"kind": "junit"}}}, "junit"),
    ],
)
def test_what_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why) as caught:
        Problem.model_validate(SUM | change)
    # One reason, at its own place: messages for people are made of these.
    (error,) = caught.value.errors()
    assert "validation error" not in error["msg"]


def test_a_mistake_is_named_where_it_is() -> None:
    with pytest.raises(ValidationError) as caught:
        Problem.model_validate({"task": "Logic", "dataset": "x", "reference": {"answer": 4}})
    assert {error["loc"] for error in caught.value.errors()} == {("instruction",), ("reference", "answer")}


def test_an_imported_problem_may_lack_its_truth() -> None:
    problem = Problem.model_validate(SUM | {"reference": {}, "metadata": {"imported": {"parent_id": "x"}}})
    assert problem.reference == Reference()


def test_tests_are_told_apart_by_their_kind() -> None:
    tests = {"kind": "io", "cases": [{"stdin": "1\n", "stdout": "2\n"}]}
    problem = Problem.model_validate(SUM | {"task": "Coding", "reference": {"tests": tests}})
    assert isinstance(problem.reference.tests, IOTests)


def test_a_problem_is_frozen() -> None:
    problem = Problem.model_validate(SUM)
    with pytest.raises(ValidationError, match="frozen"):
        problem.id = "x"

from __future__ import annotations

import re
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from preftree.interact.critic import redact
from preftree.micro.conversations import act
from preftree.micro.critic import ReferenceCritic
from preftree.micro.generate import TASKS, drafts
from preftree.micro.words import ORDINALS
from preftree.problem import Problem, Reference, Task

critic = ReferenceCritic()


def problem(steps: list[dict[str, object]], answer: str, task: Task = "Math_CoT") -> Problem:
    return Problem.model_validate(
        {
            "task": task,
            "dataset": "micro",
            "instruction": "Ann has 12 nuts and gives 5 away; the rest is tripled.",
            "reference": Reference(answer=answer),
            "metadata": {"steps": steps, "distractor": 30},
        }
    )


TRIPLED = problem(
    [
        {"goal": "nuts left", "name": "left", "left": 12, "op": "-", "right": 5, "value": 7},
        {"goal": "all nuts", "name": "total", "left": 7, "op": "*", "right": 3, "value": 21},
    ],
    "21",
)


def said(text: str) -> str:
    return critic.critique(TRIPLED, act(TRIPLED, text))


def test_a_slip_is_told_from_a_wrong_operation_and_a_wrong_number() -> None:
    slip = said("Step 1: nuts left = 12 - 5 = 8\nStep 2: all nuts = 8 * 3 = 24\nAnswer: 24")
    operation = said("Step 1: nuts left = 12 - 5 = 7\nStep 2: all nuts = 7 + 3 = 10\nAnswer: 10")
    number = said("Step 1: nuts left = 12 - 5 = 7\nStep 2: all nuts = 7 * 5 = 35\nAnswer: 35")
    distractor = said("Step 1: nuts left = 30 - 5 = 25\nStep 2: all nuts = 25 * 3 = 75\nAnswer: 75")
    assert slip.startswith("The first step is wrong: the result is not computed right")
    assert operation.startswith("The second step is wrong: the operation is not the one needed")
    assert "multiply" in operation
    assert number.startswith("The second step is wrong: it uses one wrong number")
    assert distractor.startswith("The first step is wrong: it uses one number that has nothing to do with it")


def test_missing_and_superfluous_steps_and_a_wrong_last_line() -> None:
    assert "The second step is missing" in said("Step 1: nuts left = 12 - 5 = 7\nAnswer: 7")
    assert "one step was left out" in said("Step 1: all nuts = 12 * 3 = 36\nAnswer: 36")
    good = "Step 1: nuts left = 12 - 5 = 7\nStep 2: all nuts = 3 * 7 = 21\n"
    assert said(good + "Answer: 7").startswith("The steps are fine: only the last line is wrong")
    assert "The third step is wrong: it is one step too many" in said(good + "Step 3: more = 21 + 1 = 22\nAnswer: 22")
    assert said("I do not know.").startswith("There are no steps to follow")


def test_programs_are_read_through_their_names() -> None:
    code = "Step 1: find nuts left\n```python\nleft = 12 - 5\n# Step 2: find all nuts\ntotal = {}\ntotal\n```\nAnswer: total"
    assert said(code.format("left + 3")).startswith("The second step is wrong: the operation is not the one needed")
    assert said(code.format("lost * 3")).startswith("The second step is wrong: it uses a name that was never set")
    assert said(code.format("3 * left").replace("Answer: total", "Answer: left")).startswith("The steps are fine")


def test_hostile_numbers_and_divisions_by_nothing_are_survived() -> None:
    for text in ("Step 1: x = 9 / 0 = 0", "Step 1: x = " + "9" * 5000 + " + 1 = 2", "```python\nx = 1 // 0\nx\n```"):
        assert said(text)


def test_without_steps_in_the_metadata_it_says_little() -> None:
    bare = TRIPLED.model_copy(update={"metadata": {}})
    assert critic.critique(bare, act(bare, "Answer: 3")) == "Check every step again, from the first one on."


@given(st.integers(0, 2**31), st.integers(0, 2**31))
@settings(max_examples=150, deadline=None)
def test_it_names_a_step_and_never_leaks_whatever_the_mistake(seed: int, how: int) -> None:
    for draft in drafts(4, seed, TASKS):
        wrong = draft.wrong(Random(how))
        if wrong is None:
            continue
        action = act(draft.problem, wrong.text)
        text = critic.critique(draft.problem, action)
        assert text == critic.critique(draft.problem, action)
        assert re.search("|".join(ORDINALS) + "|last line", text)
        assert text.startswith(("The ", "There are"))
        reference = draft.problem.reference
        secrets = [reference.answer] if reference.answer else []
        if reference.kind == "choice" and reference.answer:
            secrets.append(reference.choices[ord(reference.answer) - 65])
        for secret in secrets:
            assert not re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", text, re.IGNORECASE)
        assert redact(text, draft.problem, action) == (text, 0)


@given(st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_a_right_action_is_never_said_to_have_a_wrong_step(seed: int) -> None:
    for draft in drafts(4, seed, TASKS):
        assert critic.critique(draft.problem, act(draft.problem, draft.right)).startswith("The steps are fine")

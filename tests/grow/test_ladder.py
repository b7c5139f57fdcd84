"""The ladder: how many calls are made, which sample is kept, and what it says of its origin."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.grow.worlds import sum_problem

from preftree.errors import CallFailed
from preftree.grading.grader import Grader
from preftree.grow.config import LadderConfig
from preftree.grow.ladder import Found, Ladder, first, mask_answer
from preftree.interact.environment import Environment
from preftree.interact.turn import Actor, Attempt, Interaction
from preftree.llm.base import Message
from preftree.llm.recorded import RecordedChat, RecordedResponse
from preftree.llm.scripted import ScriptedChat
from preftree.problem import Problem, Reference, UnitTests
from preftree.runs.calls import Calls
from preftree.runs.journal import Journal
from preftree.runs.progress import Progress
from preftree.sandbox.base import NoSandbox
from preftree.tree import Action, Grade, Observation, Position, Verdict


def attempt(verdict: str, text: str = "") -> Attempt:
    grade = Grade(verdict=Verdict(verdict), grader="test", version="1")
    return Attempt(Action(text=text), Observation(text="", grade=grade))


@pytest.mark.parametrize("wave", [1, 2, 5, 20])
def test_the_lowest_right_slot_is_kept_whatever_arrives_first(wave: int) -> None:
    verdicts = ["incorrect", "invalid", "correct", "correct", "correct"]

    async def draw(slot: int) -> Attempt:
        await asyncio.sleep(0.02 * (5 - slot))  # later slots arrive earlier
        return attempt(verdicts[slot], str(slot))

    tally: Counter[str] = Counter()
    found = asyncio.run(first(draw, 5, wave, Verdict.correct, tally))
    assert found is not None
    assert found.action.text == "2"
    assert tally == {"incorrect": 1, "invalid": 1, "correct": 1}


def test_sampling_stops_early() -> None:
    drawn = []

    async def draw(slot: int) -> Attempt:
        drawn.append(slot)
        return attempt("correct" if slot == 3 else "incorrect")

    asyncio.run(first(draw, 20, 1, Verdict.correct, Counter()))
    assert drawn == [0, 1, 2, 3]


def test_a_failed_call_is_raised_and_the_others_are_cancelled() -> None:
    ended = []

    async def draw(slot: int) -> Attempt:
        if slot == 0:
            raise CallFailed("timeout")
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(slot)
        raise AssertionError

    with pytest.raises(CallFailed):
        asyncio.run(first(draw, 20, 3, Verdict.correct, Counter()))
    assert sorted(ended) in ([], [1], [1, 2])


def ladder_of(
    folder: Path, actors: Sequence[object], wrong: Sequence[object] = (), config: LadderConfig | None = None
) -> Ladder:
    sandbox = NoSandbox()
    interaction = Interaction(
        Environment(sandbox, Grader(sandbox)), Calls(Journal(folder / "j")), seed=3, progress=Progress(), schemas=("cot",)
    )
    cast = [[Actor(model) for model in models] for models in (actors, wrong)]  # type: ignore[arg-type]
    return Ladder(interaction, cast[0], cast[1], config or LadderConfig())


def search(run: Callable[[], object]) -> Found:
    async def inner() -> Found:
        return await run()  # type: ignore[misc]

    return asyncio.run(inner())


def says(*answers: str, name: str = "m") -> ScriptedChat:
    return ScriptedChat([f"Step 1: Think.\nAnswer: {a}" for a in answers], name=name)


def test_origin_follows_the_rung(tmp_path: Path) -> None:
    cheap, strong = says("1", "2", name="cheap"), says("4", "3", name="strong")
    ladder = ladder_of(tmp_path, [cheap, strong], config=LadderConfig(samples=2))
    found = search(lambda: ladder.right(sum_problem(1, 2), (), "1c"))
    assert found.attempt is not None
    action = found.attempt.action
    assert (action.model, action.origin, action.rung, action.slot) == ("strong", "escalated", 1, 1)
    assert found.tally == {"incorrect": 3, "correct": 1}
    assert (len(cheap.calls), len(strong.calls)) == (2, 2)


def test_text_math_is_guided_by_the_masked_rationale(tmp_path: Path) -> None:
    problem = sum_problem(1, 2, rationale="Add 1 and 2 to get 3, so 3.")
    strong = says("9", "3")
    ladder = ladder_of(tmp_path, [strong], config=LadderConfig(samples=1))
    found = search(lambda: ladder.right(problem, (), "1c"))
    assert found.attempt is not None
    assert (found.attempt.action.origin, found.attempt.action.rung) == ("guided", 1)
    prompt = strong.calls[1].messages[-1].content
    assert "Add [?] and [?] to get [?], so [?]." in prompt
    assert "3" not in prompt.partition("sketch")[2]


def test_a_problem_with_only_an_answer_is_not_guided(tmp_path: Path) -> None:
    chat = ScriptedChat("Answer: 0")
    ladder = ladder_of(tmp_path, [chat], config=LadderConfig(samples=3))
    found = search(lambda: ladder.right(sum_problem(1, 2), (), "1c"))
    assert found == Found(None, {"incorrect": 3})
    assert len(chat.calls) == 3


def test_math_with_code_is_translated_first_then_planned(tmp_path: Path) -> None:
    problem = Problem(
        task="Math_PoT",
        dataset="x",
        instruction="1 and 2?",
        tool="python",
        reference=Reference(answer="3", rationale="Add them."),
    )

    def reply(messages: Sequence[Message], seed: int, position: Position | None) -> str:
        assert position is not None
        if position.role == "translate":
            assert "Add them." in messages[-1].content
            return "```python\ntotal = 1 + 2\ntotal\n```"
        return "Answer: 3" if "total = 1 + 2" in messages[-1].content else "Answer: 5"

    chat = ScriptedChat(reply)
    ladder = ladder_of(tmp_path, [chat], config=LadderConfig(samples=2))
    found = search(lambda: ladder.right(problem, (), "1c"))
    assert found.attempt is not None
    assert found.attempt.action.origin == "guided"
    assert [c.position.role for c in chat.calls if c.position] == ["actor", "actor", "translate", "actor"]


def test_code_is_guided_by_the_reference_solution(tmp_path: Path) -> None:
    problem = Problem(
        task="Coding",
        dataset="x",
        instruction="f",
        reference=Reference(tests=UnitTests(asserts=("assert f() == 1",)), solutions=("def f():\n    return 1",)),
    )
    chat = ScriptedChat("I do not know.")
    ladder = ladder_of(tmp_path, [chat], config=LadderConfig(samples=1, guided_samples=2))
    found = search(lambda: ladder.right(problem, (), "1c"))
    assert found.tally == {"invalid": 3}
    assert "return 1" not in chat.calls[0].messages[-1].content
    assert "return 1" in chat.calls[1].messages[-1].content


def test_wrong_actions_come_from_all_models_in_turn(tmp_path: Path) -> None:
    models = [says("3", "3", name="a"), says("3", "4", name="b")]
    ladder = ladder_of(tmp_path, [], models, LadderConfig(wrong_samples=4))
    found = search(lambda: ladder.wrong(sum_problem(1, 2), (), "1r"))
    assert found.attempt is not None
    assert found.attempt.action.model == "b"
    assert len(models[0].calls) + len(models[1].calls) == found.tally["correct"] + 1
    slots = [(c.position.rung, c.position.slot) for m in models for c in m.calls if c.position]
    assert len(set(slots)) == len(slots)
    assert {rung for rung, _ in slots} == {0, 1}


def test_the_first_wrong_model_is_drawn_at_random_for_each_problem(tmp_path: Path) -> None:
    models = [ScriptedChat("Answer: 0", name=name) for name in "ab"]
    ladder = ladder_of(tmp_path, [], models)
    for i in range(1, 60):
        search(lambda i=i: ladder.wrong(sum_problem(i, i), (), "1r"))  # type: ignore[misc]
    counts = [len(m.calls) for m in models]
    assert sum(counts) == 59
    assert min(counts) > 15


def test_a_recording_that_ends_is_no_failure(tmp_path: Path) -> None:
    problem = sum_problem(1, 2)
    recorded = [RecordedResponse(problem=problem.id, after=None, model="r", text="Answer: 4")]
    ladder = ladder_of(tmp_path, [RecordedChat(recorded, name="r"), says("3")], [RecordedChat(recorded, name="w")])
    right = search(lambda: ladder.right(problem, (), "1c"))
    assert right.attempt is not None
    assert right.attempt.action.origin == "escalated"
    assert right.tally == {"incorrect": 1, "correct": 1}


def test_no_digit_of_a_rationale_survives_the_mask() -> None:
    masked = mask_answer("She has 1,200.50 (50%) of $3. Then 4, and 5.")
    assert masked == "She has [?] ([?]%) of $[?]. Then [?], and [?]."

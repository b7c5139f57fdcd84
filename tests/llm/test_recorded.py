"""Recorded responses are found by problem, by exactly what was said before, and by slot."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftree.errors import DataError, ModelError
from preftree.interact.parse import parse
from preftree.interact.prompts import Style, Turn, actor_messages
from preftree.llm.base import Completion, Exhausted, Message, Sampling
from preftree.llm.recorded import RecordedChat, RecordedResponse, read_jsonl, write_jsonl
from preftree.problem import Problem, Reference
from preftree.tree import Action, Grade, Observation, Position, Usage, Verdict

PROBLEM = Problem(task="Math_CoT", dataset="t", instruction="What is 2 + 2?", reference=Reference(answer="4"))
FIRST = "Step 1: It is 5.\nAnswer: 5"
RESPONSES = [
    RecordedResponse(problem=PROBLEM.id, model="a", text="a1"),
    RecordedResponse(problem=PROBLEM.id, model="b", text="b1", usage=Usage(completion_tokens=7)),
    RecordedResponse(problem=PROBLEM.id, after=FIRST, model="b", text="b2"),
    RecordedResponse(problem="other", model="a", text="o1"),
]


def ask(chat: RecordedChat, messages: list[Message], slot: int, n: int = 1, problem: str = PROBLEM.id) -> list[Completion]:
    position = Position(problem, "1r", "actor", 0, slot)
    return asyncio.run(chat.complete(messages, Sampling(), n, position=position))


def history(text: str, raw: str | None = None) -> list[Turn]:
    grade = Grade(verdict=Verdict.incorrect, grader="t", version="1")
    return [Turn(Action(text=text, raw=raw), Observation(text="Your answer is wrong.", grade=grade), None)]


def test_a_first_attempt_is_looked_up_by_problem_and_slot() -> None:
    chat = RecordedChat(RESPONSES)
    messages = actor_messages(PROBLEM, [], style="tagged", schema="cot")
    assert [ask(chat, messages, slot)[0].text for slot in (0, 1)] == ["a1", "b1"]
    answer = ask(chat, messages, 1)[0]
    assert (answer.model, answer.finish_reason, answer.usage.completion_tokens) == ("b", "recorded", 7)
    assert ask(chat, messages, 0, problem="other")[0].text == "o1"


@pytest.mark.parametrize("style", ["flat", "tagged"])
def test_a_second_attempt_is_given_only_after_the_very_first_one(style: Style) -> None:
    chat = RecordedChat(RESPONSES)
    follow = actor_messages(PROBLEM, history(FIRST), style=style, schema="cot")
    assert ask(chat, follow, 0)[0].text == "b2"
    with pytest.raises(Exhausted):
        ask(chat, actor_messages(PROBLEM, history(FIRST + " "), style=style, schema="cot"), 0)


def test_only_the_last_of_several_attempts_counts() -> None:
    chat = RecordedChat(RESPONSES)
    turns = history("Step 1: It is 6.\nAnswer: 6") + history(FIRST)
    assert ask(chat, actor_messages(PROBLEM, turns, style="flat", schema="cot"), 0)[0].text == "b2"


def test_n_responses_start_at_the_slot_and_end_with_what_is_stored() -> None:
    chat = RecordedChat(RESPONSES)
    user = [Message(role="user", content="?")]
    assert [c.text for c in ask(chat, user, 0, n=5)] == ["a1", "b1"]
    assert [c.text for c in ask(chat, user, 1, n=5)] == ["b1"]
    with pytest.raises(Exhausted, match="slot 2"):
        ask(chat, user, 2)


def test_without_a_position_there_is_nothing_to_look_up() -> None:
    with pytest.raises(ModelError, match="position"):
        asyncio.run(RecordedChat(RESPONSES).complete([Message(role="user", content="?")], Sampling()))


def test_a_file_keeps_the_responses_and_picks_models(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    assert write_jsonl(path, RESPONSES) == 4
    assert list(read_jsonl(path)) == RESPONSES
    only_b = RecordedChat.from_jsonl(path, models=["b"])
    assert ask(only_b, [Message(role="user", content="?")], 0)[0].text == "b1"


@given(
    st.lists(
        st.builds(RecordedResponse, problem=st.text(min_size=1), after=st.none() | st.text(), text=st.text(), model=st.text())
    )
)
def test_any_response_survives_a_file(tmp_path_factory: pytest.TempPathFactory, responses: list[RecordedResponse]) -> None:
    path = tmp_path_factory.mktemp("recorded") / "r.jsonl"
    write_jsonl(path, responses)
    assert list(read_jsonl(path)) == responses


@pytest.mark.parametrize(("line", "why"), [("{", "JSON"), ('{"problem": "p", "text": "t"}', "model: Field required")])
def test_a_bad_line_is_named(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(RESPONSES[0].model_dump_json() + "\n\n" + line + "\n")
    with pytest.raises(DataError) as e:
        RecordedChat.from_jsonl(path)
    assert e.value.where == f"{path}, line 3"
    assert why in e.value.why


def test_a_missing_file_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file"):
        RecordedChat.from_jsonl(tmp_path / "none.jsonl")


def test_the_chain_through_the_parser() -> None:
    """What the grow loop does: parse a response, keep its flat text, ask what follows it."""
    raw = "<thought> Step 4: It is five. </thought> <solution> 5 </solution>"
    flat = parse(raw, PROBLEM.task).flat
    chat = RecordedChat(
        [
            RecordedResponse(problem=PROBLEM.id, model="m", text=raw),
            RecordedResponse(problem=PROBLEM.id, after=flat, model="m", text="<solution> 4 </solution>"),
        ]
    )
    first = ask(chat, actor_messages(PROBLEM, [], style="flat", schema="cot"), 0)[0]
    turns = history(parse(first.text, PROBLEM.task).flat)
    assert ask(chat, actor_messages(PROBLEM, turns, style="flat", schema="cot"), 0)[0].text == "<solution> 4 </solution>"

"""The expansion: which nodes a tree has, and that nothing that failed enters a pair."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from tests.grow.worlds import cast_for, config_for, grow_sums, guesser, sum_problem, sums

from preftree.errors import CallFailed
from preftree.grow.config import LadderConfig
from preftree.llm.base import Message
from preftree.llm.scripted import ScriptedChat
from preftree.problem import Problem, Reference
from preftree.runs.trees import read_trees
from preftree.tree import Position, Tree

RIGHT, WRONG = "Answer: 3", "Answer: 4"


def grow_one(folder: Path, actor: ScriptedChat, wrong: ScriptedChat, **settings: object) -> Tree:
    path, _ = asyncio.run(grow_sums(config_for(folder, **settings), [sum_problem(1, 2)], cast_for(actor, wrong)))
    (tree,) = read_trees(path)
    return tree


def test_only_the_wrong_action_is_followed_for_at_most_five_turns(tmp_path: Path) -> None:
    tree = grow_one(tmp_path, ScriptedChat(RIGHT), ScriptedChat(WRONG))
    assert [node.id for node in tree.nodes] == [
        "1c",
        "1r",
        "1r/2c",
        "1r/2r",
        "1r/2r/3c",
        "1r/2r/3r",
        "1r/2r/3r/4c",
        "1r/2r/3r/4r",
        "1r/2r/3r/4r/5c",
        "1r/2r/3r/4r/5r",
    ]
    assert [len(prefix) for prefix, _, _ in tree.pairs()] == [0, 1, 2, 3, 4]
    # The critic is asked about what is followed, and about nothing else.
    assert [node.id for node in tree.nodes if node.critique] == [n.id for n in tree.nodes if n.id[-1] == "r"][:4]


def test_a_tree_ends_where_no_wrong_action_is_had(tmp_path: Path) -> None:
    wrong = ScriptedChat(lambda messages, *_: WRONG if len(messages) <= 2 else RIGHT)
    tree = grow_one(tmp_path, ScriptedChat(RIGHT), wrong)
    assert [node.id for node in tree.nodes] == ["1c", "1r", "1r/2c"]
    assert tree.unsolved == {"1r/2r": {"correct": 2}}


def test_a_turn_without_a_right_action_goes_on_and_yields_no_pair(tmp_path: Path) -> None:
    actor = ScriptedChat(lambda messages, *_: WRONG if len(messages) <= 2 else RIGHT)
    tree = grow_one(tmp_path, actor, ScriptedChat(WRONG), max_turns=2, ladder={"samples": 3})
    assert [node.id for node in tree.nodes] == ["1r", "1r/2c", "1r/2r"]
    assert tree.unsolved == {"1c": {"incorrect": 3}}
    assert [chosen.id for _, chosen, _ in tree.pairs()] == ["1r/2c"]


def test_the_next_turn_sees_observation_and_critique(tmp_path: Path) -> None:
    actor = ScriptedChat(RIGHT)
    grow_one(tmp_path, actor, ScriptedChat(WRONG), max_turns=2)
    second = max(actor.calls, key=lambda c: len(c.messages)).messages
    assert [m.role for m in second] == ["system", "user", "assistant", "user"]
    assert second[3].content == "Observation:\nYour answer is wrong.\n\nFeedback:\nStep 1 is wrong: add once more."


def test_what_is_invalid_is_on_neither_side(tmp_path: Path) -> None:
    silent = ScriptedChat("I have no idea.")
    tree = grow_one(tmp_path, silent, silent, ladder={"samples": 2, "wrong_samples": 3})
    assert tree.nodes == ()
    assert tree.unsolved == {"1c": {"invalid": 2}, "1r": {"invalid": 3}}


def test_a_failed_call_leaves_the_tree_to_the_next_run(tmp_path: Path) -> None:
    broken = True

    def reply(messages: Sequence[Message], seed: int, position: Position | None) -> str | Exception:
        assert position is not None
        return CallFailed("timeout") if broken and position.path == "1r/2c" else RIGHT

    config, wrong = config_for(tmp_path), ScriptedChat(WRONG)
    path, progress = asyncio.run(grow_sums(config, [sum_problem(1, 2)], cast_for(ScriptedChat(reply), wrong)))
    assert list(read_trees(path)) == []
    assert progress.owed == {"timeout": 1}
    broken = False
    again = ScriptedChat(reply)
    path, progress = asyncio.run(grow_sums(config, [sum_problem(1, 2)], cast_for(again, wrong)))
    (tree,) = read_trees(path)
    assert tree.depth == 5
    # Everything but the failed call was in the journal: the other sides of the tree had gone on.
    assert [c.position.path for c in again.calls if c.position] == ["1r/2c"]


def test_a_critic_that_fails_yields_no_tree(tmp_path: Path) -> None:
    class Broken:
        name = "broken"

        async def criticise(self, *args: object, **kwargs: object) -> None:
            raise CallFailed("http 500")

    cast = cast_for(ScriptedChat(RIGHT), ScriptedChat(WRONG))._replace(critic=Broken())  # type: ignore[arg-type]
    path, progress = asyncio.run(grow_sums(config_for(tmp_path), [sum_problem(1, 2)], cast))
    assert list(read_trees(path)) == []
    assert progress.owed == {"http 500": 1}


def test_a_problem_whose_own_answer_is_not_right_is_skipped(tmp_path: Path) -> None:
    odd = Problem(
        task="Logic",
        dataset="x",
        instruction="Which?",
        reference=Reference(answer="maybe", kind="boolean"),
    )
    actor = ScriptedChat(RIGHT)
    config = config_for(tmp_path)
    for _ in range(2):
        path, progress = asyncio.run(grow_sums(config, [odd, sum_problem(1, 2)], cast_for(actor, ScriptedChat(WRONG))))
        assert progress.skipped == 1
        assert [tree.problem.id for tree in read_trees(path)] == [sum_problem(1, 2).id]


def test_trees_are_in_the_sources_order_and_carry_only_pairs_that_count(tmp_path: Path) -> None:
    problems = sums(30)
    config = config_for(tmp_path, ladder=LadderConfig(samples=4).model_dump())
    path, _ = asyncio.run(grow_sums(config, problems, cast_for(guesser("a", 0.4), guesser("w", 0.5))))
    trees = list(read_trees(path))
    assert [tree.problem.id for tree in trees] == [p.id for p in problems]
    assert sum(1 for tree in trees for _ in tree.pairs()) > 30
    for tree in trees:
        for _, chosen, rejected in tree.pairs():
            assert chosen.observation.grade.verdict == "correct"
            assert rejected.observation.grade.verdict == "incorrect"

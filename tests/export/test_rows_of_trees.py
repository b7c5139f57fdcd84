"""Which rows come out of a tree, over random trees and on one made by hand."""

from __future__ import annotations

import re
from collections import Counter

from hypothesis import given, settings

from handmade import TWO_TURNS, node, tree_of
from preftree.export.pairs import pair_rows, rm_pair_rows, unpaired_rows
from preftree.export.sft import history_rows, sft_rows
from preftree.interact.prompts import conversation, instruction, turns_of
from preftree.tree import Tree, Verdict
from strategies import trees

ROW_ID = re.compile(r"[0-9a-f]{64}_(\d+)_(\d+)")


def by_text(tree: Tree, verdict: Verdict) -> dict[str, set[int]]:
    """The turns at which each text was given the verdict."""
    found: dict[str, set[int]] = {}
    for n in tree.nodes:
        if n.observation.grade.verdict is verdict:
            found.setdefault(n.action.text, set()).add(n.turn)
    return found


def test_the_rows_of_two_turns() -> None:
    rows = list(sft_rows(TWO_TURNS))
    assert [(r.instruction, r.response) for r in rows] == [
        ("What is 6*7?", "It is 42."),
        ("What is 6*7?", "Now it is 42."),
    ]
    assert [ROW_ID.fullmatch(r.id).groups() for r in rows] == [("2", "1"), ("2", "2")]
    first, second = pair_rows(TWO_TURNS)
    assert [m.value for m in first.trajectory] == ["What is 6*7?"]
    assert second.model_dump(by_alias=True)["trajectory"] == (
        {"from": "user", "value": "What is 6*7?"},
        {"from": "assistant", "value": "It is 41."},
        {"from": "user", "value": "Observation:\nYour answer is wrong.\n\nFeedback:\nCount again."},
    )
    assert (second.chosen, second.rejected) == ("Now it is 42.", "Now it is 43.")
    assert {first.parent_id, second.parent_id, rows[0].parent_id} == {TWO_TURNS.problem.id}
    extra = list(rm_pair_rows(TWO_TURNS))
    assert [(r.chosen, r.rejected) for r in extra] == [("It is 42.", "Now it is 43."), ("Now it is 42.", "It is 41.")]
    assert all(len(r.trajectory) == 1 for r in extra)
    assert [len(r.messages) for r in history_rows(TWO_TURNS)] == [2, 4]
    assert Counter(r.label for r in unpaired_rows(TWO_TURNS)) == {True: 2, False: 2}


def test_the_tool_is_part_of_the_exported_instruction() -> None:
    tree = TWO_TURNS.model_copy(update={"problem": TWO_TURNS.problem.model_copy(update={"tool": "python"})})
    assert next(sft_rows(tree)).instruction == instruction(tree.problem) != tree.problem.instruction


def test_three_turns_give_at_most_nine_extra_pairs_and_four_none() -> None:
    three = [node(f"1c{i:02d}" if i else "1c", f"right {i}") for i in range(6)]
    three += [node("1r", "wrong 1"), node("1r/2r", "wrong 2"), node("1r/2r/3c", "right c"), node("1r/2r/3r", "wrong 3")]
    uses = Counter[str]()
    rows = list(rm_pair_rows(tree_of(*three)))
    for row in rows:
        uses.update((row.chosen, row.rejected))
    # Wrong 2 and 3 are used three times each, by the rights of turn 1; wrong 1 once, by that of turn 3.
    assert len(rows) == 7
    assert uses["wrong 2"] == uses["wrong 3"] == 3
    assert not list(rm_pair_rows(tree_of(*three, node("1r/2r/3r/4c", "right d"))))


def test_an_action_judged_both_ways_after_the_same_words_is_no_kto_row() -> None:
    rows = list(unpaired_rows(tree_of(node("1c", "same"), node("1r", "same"), node("1c01", "other"))))
    assert [(r.response, r.label) for r in rows] == [("other", True)]
    assert not list(pair_rows(tree_of(node("1c", "same"), node("1r", "same"))))


def test_only_correct_and_incorrect_enter() -> None:
    tree = tree_of(node("1c", "a", "invalid"), node("1r", "b", "failed"), node("1c01", "c"), node("1r01", "d", "invalid"))
    assert [r.response for r in sft_rows(tree)] == ["c"]
    assert not list(pair_rows(tree))
    assert [r.response for r in unpaired_rows(tree)] == ["c"]


@settings(max_examples=100, deadline=None)
@given(trees())
def test_invariants(tree: Tree) -> None:
    right, wrong = by_text(tree, Verdict.correct), by_text(tree, Verdict.incorrect)
    sft, pairs, extra, unpaired = (list(f(tree)) for f in (sft_rows, pair_rows, rm_pair_rows, unpaired_rows))
    assert sorted(r.response for r in sft) == sorted(right)
    for row in (*pairs, *extra):
        assert row.chosen in right
        assert row.rejected in wrong
        assert row.chosen != row.rejected
    ids = [r.id for r in (*sft, *pairs, *extra, *unpaired)]
    assert len(ids) == len(set(ids))
    for row in (*sft, *pairs, *extra, *unpaired):
        match = ROW_ID.fullmatch(row.id)
        assert match
        assert int(match[1]) == tree.depth >= int(match[2]) >= 1
        assert row.parent_id == tree.problem.id
    # Every pair's trajectory is the conversation of a path of the tree, and its length tells the turn.
    paths = {tuple(conversation(tree.problem, turns_of(tree.path(n)[:-1]))) for n in tree.nodes}
    for row in (*pairs, *unpaired):
        assert tuple((m.from_, m.value) for m in row.trajectory) in paths
        assert int(row.id.rpartition("_")[2]) == (len(row.trajectory) + 1) // 2
    assert len(extra) <= 9
    assert not extra or tree.depth <= 3
    assert all(count <= 3 for count in Counter(r.chosen for r in extra).values())
    assert all(count <= 3 for count in Counter(r.rejected for r in extra).values())
    for row in extra:
        assert not right[row.chosen] & wrong[row.rejected]
        assert row.chosen not in wrong
        assert row.rejected not in right
        assert [m.value for m in row.trajectory] == [instruction(tree.problem)]
    labels = [(r.trajectory, r.response) for r in unpaired]
    assert len(labels) == len(set(labels))
    assert {r.response for r in unpaired if r.label} <= right.keys()
    assert {r.response for r in unpaired if not r.label} <= wrong.keys()


def test_half_a_surrogate_pair_does_not_stop_an_export() -> None:
    tree = tree_of(node("1c", "a\ud800b 😀"), node("1r", "x\udc00"), node("1r/2c", "y"), node("1r/2r", "z"))
    rows = [*sft_rows(tree), *pair_rows(tree), *rm_pair_rows(tree), *unpaired_rows(tree), *history_rows(tree)]
    assert rows[0].response == "a\ufffdb 😀"
    assert all(row.model_dump_json() for row in rows)

"""The columns of rows, exactly as published and as TRL reads them."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from preftree.rows import PairRow, SFTRow, TrajectoryMessage, UnpairedRow

PUBLISHED_PAIR = {
    "id": "ab12_2_1",
    "parent_id": "cd34",
    "task": "Math_CoT",
    "dataset": "gsm8k",
    "trajectory": [{"from": "user", "value": "1+1?"}],
    "chosen": "2",
    "rejected": "3",
}


def test_a_published_pair_comes_back_as_it_was() -> None:
    row = PairRow.model_validate(PUBLISHED_PAIR)
    assert json.loads(row.model_dump_json()) == PUBLISHED_PAIR
    assert row.model_dump(mode="json") == PUBLISHED_PAIR
    assert row.trajectory[0] == TrajectoryMessage(from_="user", value="1+1?")


def test_trl_preference() -> None:
    assert PairRow.model_validate(PUBLISHED_PAIR).trl().model_dump(mode="json") == {
        "prompt": [{"role": "user", "content": "1+1?"}],
        "chosen": [{"role": "assistant", "content": "2"}],
        "rejected": [{"role": "assistant", "content": "3"}],
    }


def test_trl_messages() -> None:
    row = SFTRow(id="a_1_1", parent_id="p", task="Coding", dataset="mbpp", instruction="Write f.", response="def f(): ...")
    assert row.trl().model_dump(mode="json") == {
        "messages": [{"role": "user", "content": "Write f."}, {"role": "assistant", "content": "def f(): ..."}]
    }


def test_trl_unpaired() -> None:
    columns = {k: v for k, v in PUBLISHED_PAIR.items() if k not in ("chosen", "rejected")}
    row = UnpairedRow.model_validate({**columns, "response": "3", "label": False})
    assert row.trl().model_dump(mode="json") == {
        "prompt": [{"role": "user", "content": "1+1?"}],
        "completion": [{"role": "assistant", "content": "3"}],
        "label": False,
    }


@pytest.mark.parametrize(
    "change", [{"task": "Chemistry"}, {"chosen": None}, {"trajectory": [{"from": "gpt", "value": ""}]}, {"more": 1}]
)
def test_other_columns_and_values_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PairRow.model_validate({**PUBLISHED_PAIR, **change})

"""How a chat model is named in a config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from preftree.config import Config, dump_yaml, load_config
from preftree.errors import ConfigError
from preftree.llm import config
from preftree.llm.config import LocalConfig, ModelConfig, OpenAIConfig, RecordedConfig


class Models(Config):
    """As in a verb's config."""

    actors: tuple[ModelConfig, ...]
    """The actors."""


def test_kind_decides_and_yaml_round_trips(tmp_path: Path) -> None:
    models = Models(
        actors=(
            OpenAIConfig(model="m", extra={"min_p": 0.1, "seed": None}, price=config.Price(input=0.1, output=0.4)),
            LocalConfig(path="org/model", style="flat"),
            RecordedConfig(path=Path("responses.jsonl"), models=("a", "b")),
        )
    )
    path = tmp_path / "models.yaml"
    path.write_text(dump_yaml(models.model_dump(mode="json")))
    assert load_config(Models, path) == models


def test_a_wrong_key_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text("actors:\n  - kind: openai\n    model: m\n    base_ulr: http://x/v1\n")
    with pytest.raises(ConfigError) as caught:
        load_config(Models, path)
    assert "line 4" in caught.value.where
    assert "base_ulr" in caught.value.why


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(ValidationError, match=r"openai.*local.*recorded"):
        Models.model_validate({"actors": [{"kind": "gpt", "model": "m"}]})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        ("https://api.x.ai/v1/", "https://api.x.ai/v1"),
        ("http://h/v1/chat/completions", "http://h/v1"),
        ("http://h/v1/chat/completions/", "http://h/v1"),
    ],
)
def test_base_url_is_normalised(given: str, kept: str) -> None:
    assert OpenAIConfig(model="m", base_url=given).base_url == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000/v1",
        "ftp://h/v1",
        "http://",
        "http://h:99999999/v1",
        "http://me:pw@h/v1",
        "http://h/v1?x=1",
        "http://h/#a",
    ],
)
def test_base_urls_that_cannot_work(url: str) -> None:
    with pytest.raises(ValidationError, match="base_url"):
        OpenAIConfig(model="m", base_url=url)


@pytest.mark.parametrize("extra", [{"model": "other"}, {"messages": []}, {"stream": True}])
def test_extra_leaves_our_fields_alone(extra: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="cannot be set here"):
        OpenAIConfig(model="m", extra=extra)


def test_every_field_says_what_it_is() -> None:
    for cls in (config.Price, OpenAIConfig, LocalConfig, RecordedConfig):
        assert issubclass(cls, BaseModel)
        assert all(field.description for field in cls.model_fields.values()), cls

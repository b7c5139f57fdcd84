"""A config class as command-line flags: every key of the YAML file is a flag of the same name, and wins over the file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

import cyclopts
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from preftree.config import Config
from preftree.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])
_GROUP = cyclopts.Group("Settings (keys of the YAML file too)", sort_key=9)
_MARK = "__"
_PLAIN = (bool, int, float)
"""Types whose flags show and check them."""


def flags_of(cls: type[Config]) -> Callable[[F], F]:
    """Decorates a verb that takes `**settings`: each key of `cls`, also of configs within it, becomes a flag.

    Yes/no keys are `--key` and `--no-key`; for all others see `overrides`.
    """

    def decorate(verb: F) -> F:
        signature = inspect.signature(verb)
        parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        for key, field in _leaves(cls):
            kind = field.annotation if field.annotation in _PLAIN else str
            parameter = cyclopts.Parameter(name=_flag(key), help=_help(field), group=_GROUP, show_default=False)
            parameters.append(
                inspect.Parameter(
                    key.replace(".", _MARK),
                    inspect.Parameter.KEYWORD_ONLY,
                    default=None,
                    annotation=Annotated[kind | None, parameter],
                )
            )
        verb.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        verb.__annotations__ = {p.name: p.annotation for p in parameters}
        return verb

    return decorate


def overrides(cls: type[Config], settings: dict[str, Any]) -> dict[str, Any]:
    """The flags that were typed, as dotted keys and plain values.

    A text stays as it is typed (`--name 5`), `null` is nothing where nothing is allowed, a list is `a,b` or `[a, b]`,
    and anything else is read as YAML.

    Raises:
        ConfigError: a value is not YAML.
    """
    fields = dict(_leaves(cls))
    typed = ((name.replace(_MARK, "."), value) for name, value in settings.items() if value is not None)
    return {key: _read(key, value, fields[key].annotation) if isinstance(value, str) else value for key, value in typed}


def _read(key: str, text: str, annotation: Any) -> Any:
    kinds = get_args(annotation) if type(None) in get_args(annotation) else (annotation,)
    if str in kinds or Path in kinds:
        return None if type(None) in kinds and text == "null" else text
    if _lists_words(annotation) and not text.lstrip().startswith("["):
        return [word.strip() for word in text.split(",") if word.strip()]
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as e:
        raise ConfigError(
            f"The value of {_flag(key)} cannot be read.",
            where=f"{_flag(key)} {text}",
            why=str(e).splitlines()[0],
            hint="give it as in the YAML file, within quotes, such as '[a, b]' or '{a: 1, b: 2}'",
        ) from None


def _lists_words(annotation: Any) -> bool:
    """Whether it is a list, and not of things that have keys themselves."""
    if get_origin(annotation) is not tuple:
        return False
    inner = get_args(annotation)[0]
    variants = (inner, *get_args(inner), *(a for variant in get_args(inner) for a in get_args(variant)))
    return not any(isinstance(variant, type) and issubclass(variant, BaseModel) for variant in variants)


def _leaves(cls: type[Config], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in cls.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Config):
            yield from _leaves(annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


def _help(field: FieldInfo) -> str:
    """The field's docstring, and the default as it is typed."""
    default, text = field.default, field.description or ""
    if isinstance(default, bool):
        return f"{text} [default: {'yes' if default else 'no'}]"
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    return text if default in (PydanticUndefined, None, "", {}) else f"{text} [default: {default}]"

"""A config class as command-line flags: every key of the YAML file is a flag of the same name, and wins over the file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar

import cyclopts
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
"""Types whose flags show and check them; all other values are read as YAML."""


def flags_of(cls: type[Config]) -> Callable[[F], F]:
    """Decorates a verb that takes `**settings`: each key of `cls`, also of configs within it, becomes a flag.

    A flag's value is read as YAML (`--wrong '[a, b]'`, `--max-turns 3`); yes/no keys are `--key` and `--no-key`.
    """

    def decorate(verb: F) -> F:
        signature = inspect.signature(verb)
        parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        for key, field in _leaves(cls):
            kind = field.annotation if field.annotation in _PLAIN else str
            name = "--" + key.replace("_", "-")
            parameter = cyclopts.Parameter(name=name, help=_help(field), group=_GROUP, show_default=False)
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


def overrides(settings: dict[str, Any]) -> dict[str, Any]:
    """The flags that were typed, as dotted keys and plain values.

    Raises:
        ConfigError: a value is not YAML.
    """
    found = {}
    for name, value in settings.items():
        if value is None:
            continue
        key = name.replace(_MARK, ".")
        if isinstance(value, str):
            try:
                value = YAML(typ="safe", pure=True).load(value)
            except (YAMLError, ValueError, RecursionError) as e:
                raise ConfigError(
                    f"The value of --{key.replace('_', '-')} cannot be read.",
                    where=f"--{key.replace('_', '-')} {value}",
                    why=str(e).splitlines()[0],
                    hint="give a plain value, or a list such as '[a, b]'",
                ) from None
        found[key] = value
    return found


def _leaves(cls: type[Config], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in cls.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Config):
            yield from _leaves(annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def _help(field: FieldInfo) -> str:
    text = field.description or ""
    if field.default is PydanticUndefined or isinstance(field.default, Config):
        return text
    return f"{text} [default: {field.default}]"

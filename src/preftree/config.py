"""The strict base of every config and record, and YAML files read into it.

A config class serves three masters at once: the YAML file, the command line's flags and Python callers. Each field
has a one-sentence docstring under it, which is the help text everywhere.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from preftree.errors import ConfigError


class Record(BaseModel):
    """A frozen value with no unknown fields; everything stored is one of these."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Config(Record):
    """A frozen setting of a verb or of a part of one; defaults are validated too."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)


C = TypeVar("C", bound=Config)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML 1.2 file, as plain Python values.

    Raises:
        ConfigError: the file is missing, is not YAML, or does not hold a mapping; with file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"There is no config file {path}.",
            where=str(path),
            hint="check the path, or write a commented config with: preftree init my.yaml",
        ) from None
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"The config file {path} cannot be read.", where=str(path), why=str(e)) from None
    try:
        data = YAML(typ="safe", pure=True).load(text)
    # ValueError: something like 2024-13-45, which looks like a date and is none.
    except (YAMLError, ValueError, RecursionError) as e:
        mark = e.problem_mark if isinstance(e, MarkedYAMLError) else None
        if mark and mark.line >= text.count("\n") and e.context_mark:
            # What was opened and never closed is noticed at the end only.
            mark = e.context_mark
        raise ConfigError(
            f"{path} is not valid YAML.",
            where=f"{path}, line {mark.line + 1}" if mark else str(path),
            why=str(e.problem if isinstance(e, MarkedYAMLError) else e).splitlines()[0],
            hint="mend that line; indentation uses spaces, and a key is followed by ': '",
        ) from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path} does not hold a mapping of keys to values.", where=str(path), why=f"found {data!r:.80}")
    return data


def load_config(cls: type[C], path: Path, overrides: Mapping[str, Any] | None = None) -> C:
    """A config from a YAML file, with `overrides` (dotted keys to values) on top.

    Raises:
        ConfigError: an unknown key, a wrong type or a missing value, with the file and line.
    """
    data = read_yaml(path)
    for key, value in (overrides or {}).items():
        _set_dotted(data, key, value)
    return validate(cls, data, where=str(path), text=path.read_text(encoding="utf-8"), flags=tuple(overrides or ()))


def validate(cls: type[C], data: Mapping[str, Any], *, where: str, text: str = "", flags: Collection[str] = ()) -> C:
    """`data` as a config, or a ConfigError that names every wrong key.

    Args:
        cls: the config's class.
        data: plain values.
        where: the file, or another place that the data come from.
        text: the file's YAML text, to name the lines of wrong keys.
        flags: dotted keys whose values come from the command line instead.
    """
    try:
        return cls.model_validate(data)
    except ValidationError as e:
        lines = _line_numbers(text)
        problems = []
        first_line = None
        for error in e.errors():
            location = tuple(p for p in error["loc"] if isinstance(p, str | int))
            key = ".".join(str(p) for p in location) or "(top)"
            flag = next((f for f in flags if f"{key}.".startswith(f"{f}.")), None)
            # A tagged union puts the tag into the location; the YAML does not have it.
            line = None if flag else _nearest_line(lines, location)
            first_line = first_line or line
            place = f" (--{flag.replace('_', '-')})" if flag else f" (line {line})" if line else ""
            problems.append(f"{key}: {_explain(error)}{place}")
        raise ConfigError(
            f"{len(problems)} setting{'s' if len(problems) > 1 else ''} of the config cannot be used.",
            where=where + (f", line {first_line}" if first_line else ""),
            why="; ".join(problems),
            hint="mend the key; every key with its meaning is printed by: preftree init -",
        ) from None


def dump_yaml(data: Mapping[str, Any]) -> str:
    """Plain data as YAML text, keys in their own order."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = ""
    for yaml.allow_unicode in (True, False):
        buffer = io.StringIO()
        yaml.dump(dict(data), buffer)
        text = buffer.getvalue()
        # Written as it is, U+0085 would be read back as a line break.
        if "\x85" not in text:
            break
    return text


def _explain(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such key"
    if error["type"] == "missing":
        return "this key is required"
    return f"{error['msg']}, found {error['input']!r:.80}"


def _set_dotted(data: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for name in parents:
        if data.get(name) is None:
            data[name] = {}
        data = data[name]
        if not isinstance(data, dict):
            raise ConfigError(
                f"The flag --{key.replace('_', '-')} cannot be used with this config file.",
                where=f"the key {name} of the file",
                why=f"it should hold keys and values, and is {data!r:.80}",
                hint=f"mend the key {name} in the file",
            )
    data[last] = value


def _line_numbers(text: str) -> dict[tuple[str | int, ...], int]:
    """Each key's path in the YAML text, with its line (from 1)."""
    found: dict[tuple[str | int, ...], int] = {}

    def walk(node: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(node, CommentedMap):
            for key, value in node.items():
                # A key merged in from elsewhere (`<<: *other`) has no line of its own.
                if key in (node.lc.data or {}):
                    found[(*path, key)] = node.lc.key(key)[0] + 1
                    walk(value, (*path, key))
        elif isinstance(node, CommentedSeq):
            for index, value in enumerate(node):
                found[(*path, index)] = node.lc.item(index)[0] + 1
                walk(value, (*path, index))

    if text:
        walk(YAML(typ="rt").load(text), ())
    return found


def _nearest_line(lines: dict[tuple[str | int, ...], int], location: tuple[str | int, ...]) -> int | None:
    """The line of the longest part of `location` that is in the text; union tags in between are passed over."""
    best: int | None = None
    at: tuple[str | int, ...] = ()
    for part in location:
        if (*at, part) in lines:
            at = (*at, part)
            best = lines[at]
    return best

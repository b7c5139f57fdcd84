"""Errors for people have four parts and an exit code."""

from __future__ import annotations

import pytest

from preftree import errors


def test_the_four_parts_in_order() -> None:
    error = errors.DataError("What happened.", where="a.jsonl, line 3", why="found x", hint="type y")
    assert str(error) == "What happened.\n  where: a.jsonl, line 3\n  why: found x\n  next: type y"
    assert str(errors.DataError("What happened.", hint="type y")) == "What happened.\n  next: type y"
    assert str(errors.DataError("What happened.")) == "What happened."


@pytest.mark.parametrize(
    ("cls", "code"),
    [
        *((errors.PreftreeError, 1), (errors.InputError, 2), (errors.ConfigError, 2), (errors.DataError, 2)),
        *((errors.RunMismatch, 2), (errors.MissingExtra, 2), (errors.ModelError, 2)),
        *((errors.SandboxUnavailable, 3), (errors.StorageError, 4)),
    ],
)
def test_exit_codes(cls: type[errors.PreftreeError], code: int) -> None:
    assert cls("x").exit_code == code
    assert f"{cls.__name__} " in (errors.__doc__ or "").replace("├──", "").replace("└──", "")


def test_a_missing_extra_says_what_to_install() -> None:
    error = errors.MissingExtra.of("Training", "train")
    assert isinstance(error, errors.InputError)
    assert "pip install 'preftree[train]'" in str(error)


def test_a_failed_call_is_no_error_for_people() -> None:
    error = errors.CallFailed("http 500", "busy")
    assert not isinstance(error, errors.PreftreeError)
    assert (error.kind, str(error)) == ("http 500", "http 500: busy")
    assert str(errors.CallFailed("timeout")) == "timeout"

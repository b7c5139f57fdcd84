"""A command line that cannot be read, as an error for people."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Collection, Sequence

import cyclopts

from preftree.errors import InputError


def mistyped(error: cyclopts.CycloptsError, words: Sequence[str], verbs: Collection[str]) -> InputError:
    """What is wrong with the `words` that follow `preftree`, and what to type instead."""
    verb = next((name for name in error.command_chain or () if name in verbs), None)
    command = f"preftree {verb}" if verb else "preftree"
    hint = f"see what it takes: {command} --help"
    if isinstance(error, cyclopts.UnknownCommandError):
        word = (error.unused_tokens or [""])[0]
        what, why = f"There is no verb {word!r}.", f"the verbs are {', '.join(verbs)}"
        close = difflib.get_close_matches(word, verbs, n=1)
        hint = f"did you mean: preftree {close[0]}" if close else "see what each does: preftree --help"
    elif isinstance(error, cyclopts.UnknownOptionError):
        # The message goes on with a flag that is spelled nearly so, if there is one.
        _, _, meant = str(error).partition(". ")
        what, why = f"`{command}` has no flag {error.token.keyword or error.token.value}.", meant or "none is spelled like it"
    elif isinstance(error, cyclopts.MissingArgumentError) and error.argument is not None:
        name = error.keyword or error.argument.name
        what, why = f"`{command}` needs {'a value for ' if name.startswith('-') else ''}{name}.", "nothing was given"
    elif isinstance(error, cyclopts.UnusedCliTokensError):
        what, why = f"`{command}` takes fewer words.", f"left over: {shlex.join(error.unused_tokens or [])}"
    else:
        what, *rest = re.split(r"[.:] ", str(error), maxsplit=1)
        what, why = f"{what.rstrip('.')}.", rest[0] if rest else "it cannot be read like this"
    return InputError(what, where=shlex.join(["preftree", *words]), why=why, hint=hint)

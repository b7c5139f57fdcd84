"""The process behind MathPool: reads pairs of answers, one JSON object a line; says whether Math-Verify equates them.

Run as a module. A model's text is only ever parsed here: under a memory limit, with the parent holding the clock and
the power to kill. Math-Verify's own alarms are off, as the parent's limit covers all of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import re
import resource
import signal
import sys
from typing import Any

from preftree.grading.python_form import python_to_latex

_PR_SET_PDEATHSIG = 1
_DELIMITED = re.compile(r"\\\(|\\\[|(?<!\\)\$.*(?<!\\)\$", re.DOTALL)
_IMAGINARY = re.compile(r"(?<=\d)i(?![A-Za-z])")
_BRACKETS = re.compile(r"[\[(]")
_WORDS = re.compile(r"(?:^|\s)[A-Za-z]{3,}\s+(?:[A-Za-z]{1,}\s+)?[A-Za-z]{3,}(?:\s|$)")


def equal(gold: str, answer: str) -> bool:
    """Whether Math-Verify finds the answer equal to the gold one."""
    from math_verify import verify

    if "," in gold and not _BRACKETS.search(gold) and answer.startswith("[") and answer.endswith("]"):
        answer = answer[1:-1]  # a program's list of roots, where the gold answer lists them without brackets
    return bool(verify(read(gold), read(answer), timeout_seconds=None))


def read(text: str) -> list[Any]:
    """What Math-Verify reads in an answer.

    Prose, and text with delimiters of its own, is searched for a formula or number, as Math-Verify does by default.
    Anything else is one formula: if that cannot be parsed, no number inside it may pass for the whole.
    """
    from math_verify import LatexExtractionConfig, parse

    if _DELIMITED.search(text) or ("\\" not in text and _WORDS.search(text)):
        return list(parse(text, parsing_timeout=None))
    latex = python_to_latex(text) or text.replace("$", "").rstrip("\\")
    # Math-Verify takes i for the imaginary unit, and not for a real variable, only where it stands alone.
    latex = _IMAGINARY.sub(" i", latex)
    return list(parse(f"${latex}$", extraction_config=[LatexExtractionConfig()], parsing_timeout=None))


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, whatever it is computing."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above
        os._exit(1)


def main() -> None:
    """Serve until stdin ends. Arguments: the parent's process id and the memory limit in MiB."""
    parent, memory_mib = int(sys.argv[1]), int(sys.argv[2])
    die_with(parent)
    resource.setrlimit(resource.RLIMIT_AS, (memory_mib << 20, memory_mib << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever a library prints is no reply
    logging.disable(logging.CRITICAL)
    import warnings

    warnings.simplefilter("ignore")
    equal("1", "1")  # loads sympy and compiles the patterns before the clock of a request runs
    print("ready", file=replies, flush=True)
    os.dup2(1, 2)  # until here the parent reads our last words; later nobody does, and a full pipe would block us
    for line in sys.stdin:
        request = json.loads(line)
        try:
            verdict: bool | None = equal(request["gold"], request["answer"])
        except MemoryError:
            os._exit(2)
        except BaseException:  # sympy raises anything, RecursionError and its own exits included
            verdict = None
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(verdict), file=replies, flush=True)


if __name__ == "__main__":
    main()

"""Answers in words: normalised strings, yes or no, and lists."""

from __future__ import annotations

import json
import re
from collections import Counter
from fractions import Fraction

from preftree.grading.match import Number, clean, parse_number, same_number

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = re.compile(r"[^\w\s]|_")
_TRUTHS = {"yes": True, "true": True, "no": False, "false": False}
_CONJUNCTION = re.compile(r"\s*,\s*(?:and\s+)?|\s+and\s+")


def normalise(text: str) -> str:
    """Text without case, punctuation, articles and superfluous white space (the published rule of SQuAD and HotpotQA).

    What consists of punctuation or articles alone stays as it is, so that no two of them are equal by accident.
    """
    folded = text.casefold()
    kept = " ".join(_ARTICLES.sub(" ", _PUNCTUATION.sub("", folded)).split())
    return kept or folded.strip()


def _bare_number(text: str) -> Number | None:
    # Only what ends in a digit, a point or a percent sign: for texts, 17 and 17 years are different answers.
    text = clean(text)
    return parse_number(text) if text and (text[-1].isdigit() or text[-1] in ".%") else None


def equal_text(gold: str, answer: str) -> bool:
    """Whether two texts are the same after normalisation, or the same number (12,467 is 12467; -5 is not 5)."""
    wanted, found = _bare_number(gold), _bare_number(answer)
    if wanted is not None and found is not None:
        return wanted.percent == found.percent and same_number(wanted, found)
    return normalise(gold) == normalise(answer)


def truth(text: str) -> bool | None:
    """What a yes-or-no answer says: its first word decides; None if that is neither yes, no, true nor false."""
    words = normalise(text).split()
    return _TRUTHS.get(words[0]) if words else None


def equal_list(gold: str, answer: str) -> bool:
    """Whether two lists have the same items, in any order.

    A list is JSON or Python (`["a", 2]`), or separated by `|`, new lines, `;`, or commas and a last "and". The gold
    list is read in the first way that applies; the answer in every way, as a comma may also belong to an item.
    """
    wanted = _keys(_readings(gold)[0])
    return any(_keys(reading) == wanted for reading in _readings(answer))


def _keys(items: list[str]) -> Counter[str | Fraction]:
    numbers = [_bare_number(item) for item in items]
    return Counter(number.value if number else normalise(item) for number, item in zip(numbers, items, strict=True))


def _readings(text: str) -> list[list[str]]:
    text = text.strip()
    readings: list[list[str]] = []
    if text.startswith("[") and text.endswith("]"):
        for spelling in (text, text.replace("'", '"')):
            try:
                items = json.loads(spelling)
            except (ValueError, RecursionError):
                continue
            readings.append([item if isinstance(item, str) else json.dumps(item) for item in items])
        text = text[1:-1]
    for separator in ("|", "\n", ";"):
        if separator in text:
            readings.append(_items(text.split(separator)))
    whole = _items([text])
    commas = _items(_CONJUNCTION.split(text))
    # Without a stronger separator, one item is the first reading: "Bangkok, Thailand" names one place.
    return [*readings, whole, commas]


def _items(parts: list[str]) -> list[str]:
    return [part.strip(" \t'\"") for part in parts if part.strip(" \t'\"")]

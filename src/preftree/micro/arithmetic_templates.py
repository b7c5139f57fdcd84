"""The templates of word problems: letters a-f are numbers, n m k people, `things` and `others` what is counted."""

from __future__ import annotations

from typing import NamedTuple


class Template(NamedTuple):
    """A kind of word problem."""

    name: str
    sentences: tuple[str, ...]
    question: str
    steps: tuple[str, ...]
    """Each `name: goal = left op right`; operands are letters, whole numbers or names of earlier steps."""
    numbers: dict[str, tuple[int, int]]
    """The span, ends included, that each letter is drawn from."""


_SMALL, _FEW, _MANY = (2, 6), (2, 9), (10, 30)

TEMPLATES: tuple[Template, ...] = (
    Template(
        "give-away",
        ("{n} has {a} {things}.", "{n} gives {b} to {m}."),
        "How many {things} does {n} have left?",
        ("left: {things} left = a - b",),
        {"a": _MANY, "b": _FEW},
    ),
    Template(
        "get-more",
        ("{n} has {a} {things}.", "{m} gives {n} {b} more."),
        "How many {things} does {n} have now?",
        ("now: {things} now = a + b",),
        {"a": _MANY, "b": _FEW},
    ),
    Template(
        "groups",
        ("There are {a} boxes.", "Each box holds {b} {things}."),
        "How many {things} are there?",
        ("total: all {things} = a * b",),
        {"a": _SMALL, "b": _SMALL},
    ),
    Template(
        "share",
        ("{n} has {a} {things}.", "{n} shares them equally among {b} friends."),
        "How many {things} does each friend get?",
        ("share: {things} for each = a / b",),
        {"a": (4, 36), "b": _SMALL},
    ),
    Template(
        "more-than",
        ("{n} has {a} {things}.", "{m} has {b} more than {n}."),
        "How many {things} do they have together?",
        ("other: {things} of {m} = a + b", "total: all {things} = a + other"),
        {"a": _FEW, "b": _FEW},
    ),
    Template(
        "fewer-than",
        ("{n} has {a} {things}.", "{m} has {b} fewer than {n}."),
        "How many {things} do they have together?",
        ("other: {things} of {m} = a - b", "total: all {things} = a + other"),
        {"a": _MANY, "b": _SMALL},
    ),
    Template(
        "times-as-many",
        ("{n} has {a} {things}.", "{m} has {b} times as many."),
        "How many {things} do they have together?",
        ("other: {things} of {m} = a * b", "total: all {things} = a + other"),
        {"a": _FEW, "b": (2, 5)},
    ),
    Template(
        "lose-then-get",
        ("{n} has {a} {things}.", "{n} loses {b} and then buys {c}."),
        "How many {things} does {n} have now?",
        ("left: {things} left = a - b", "now: {things} now = left + c"),
        {"a": _MANY, "b": _FEW, "c": _FEW},
    ),
    Template(
        "boxes-and-some",
        ("{n} has {a} boxes with {b} {things} each.", "{n} also has {c} loose {things}."),
        "How many {things} does {n} have?",
        ("boxed: {things} in boxes = a * b", "total: all {things} = boxed + c"),
        {"a": _SMALL, "b": _SMALL, "c": _FEW},
    ),
    Template(
        "boxes-less-some",
        ("{n} has {a} boxes with {b} {things} each.", "{c} of the {things} break."),
        "How many {things} are whole?",
        ("boxed: {things} in boxes = a * b", "whole: whole {things} = boxed - c"),
        {"a": _SMALL, "b": _SMALL, "c": _FEW},
    ),
    Template(
        "change",
        ("{things} cost {a} coins each.", "{n} buys {b} and pays with {c} coins."),
        "How many coins does {n} get back?",
        ("cost: the cost = a * b", "back: coins back = c - cost"),
        {"a": _SMALL, "b": _SMALL, "c": (20, 50)},
    ),
    Template(
        "share-the-rest",
        ("{n} has {a} {things} and keeps {b}.", "The rest goes equally to {c} friends."),
        "How many {things} does each friend get?",
        ("rest: the rest = a - b", "share: {things} for each = rest / c"),
        {"a": _MANY, "b": _FEW, "c": _SMALL},
    ),
    Template(
        "pool-and-share",
        ("{n} has {a} {things} and {m} has {b}.", "They share them equally among {c} children."),
        "How many {things} does each child get?",
        ("total: all {things} = a + b", "share: {things} for each = total / c"),
        {"a": _MANY, "b": _FEW, "c": _SMALL},
    ),
    Template(
        "walk",
        ("{n} walks {a} miles each day for {b} days.", "{m} walks {c} miles in all."),
        "How many more miles does {n} walk than {m}?",
        ("walked: miles of {n} = a * b", "more: more miles = walked - c"),
        {"a": _SMALL, "b": _SMALL, "c": _FEW},
    ),
    Template(
        "age",
        ("{n} is {a} years old.", "{m} is {b} years older than {n}."),
        "How old is {m} in {c} years?",
        ("age: age of {m} = a + b", "later: age later = age + c"),
        {"a": _FEW, "b": _FEW, "c": _SMALL},
    ),
    Template(
        "two-kinds",
        ("{n} buys {a} {things} at {b} coins each.", "{n} buys {c} {others} at {d} coins each."),
        "How many coins does {n} spend?",
        ("first: cost of {things} = a * b", "second: cost of {others} = c * d", "total: all coins = first + second"),
        {"a": _SMALL, "b": _SMALL, "c": _SMALL, "d": _SMALL},
    ),
    Template(
        "shelves",
        ("A shop has {a} shelves with {b} {things} each.", "It sells {c} and gets {d} new ones."),
        "How many {things} are in the shop now?",
        ("full: {things} at first = a * b", "left: {things} left = full - c", "now: {things} now = left + d"),
        {"a": _SMALL, "b": _SMALL, "c": _FEW, "d": _FEW},
    ),
    Template(
        "pack",
        ("{n} picks {a} {things} and {m} picks {b}.", "{c} of them are bad.", "The others go in bags of {d}."),
        "How many bags are there?",
        ("total: all {things} = a + b", "good: good {things} = total - c", "bags: bags = good / d"),
        {"a": _MANY, "b": _FEW, "c": _SMALL, "d": _SMALL},
    ),
    Template(
        "double-and-share",
        ("{n} has {a} {things}.", "{m} has twice as many.", "They put them together and eat {b}."),
        "How many {things} are left?",
        ("other: {things} of {m} = a * 2", "total: all {things} = a + other", "left: {things} left = total - b"),
        {"a": _FEW, "b": _FEW},
    ),
    Template(
        "wages",
        ("{n} earns {a} coins a day for {b} days.", "{n} spends {c} and saves the rest.", "Each gift costs {d} coins."),
        "How many gifts can {n} buy?",
        ("earned: coins earned = a * b", "saved: coins saved = earned - c", "gifts: gifts = saved / d"),
        {"a": _SMALL, "b": _SMALL, "c": _FEW, "d": (2, 6)},
    ),
    Template(
        "long-trade",
        (
            "{n} has {a} bags with {b} {things} each.",
            "{n} gives {c} to {m} and gets {d} from {k}.",
            "{n} shares all with one friend, half each.",
        ),
        "How many {things} does {n} keep?",
        (
            "bagged: {things} in bags = a * b",
            "left: {things} left = bagged - c",
            "now: {things} now = left + d",
            "half: half of them = now / 2",
        ),
        {"a": _SMALL, "b": _SMALL, "c": _FEW, "d": _FEW},
    ),
    Template(
        "three-days",
        ("{n} reads {a} pages on day one.", "{n} reads {b} more on day two than on day one.", "The book has {c} pages."),
        "How many pages are still to read?",
        ("second: pages on day two = a + b", "done: pages read = a + second", "rest: pages to read = c - done"),
        {"a": _FEW, "b": _SMALL, "c": (30, 60)},
    ),
)  # fmt: skip

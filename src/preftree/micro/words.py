"""The small world's vocabulary: who is there, what they have, and how a step's number is said without a digit."""

from __future__ import annotations

NAMES = ("Ann", "Ben", "Cora", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivy", "Jon", "Kim", "Leo", "Mia", "Ned", "Olga", "Pia")

THINGS = (
    "apples", "books", "cards", "coins", "cups", "eggs", "keys", "nuts",
    "pens", "plums", "rings", "shells", "stamps", "stones", "toys", "balls",
)  # fmt: skip

COLOURS = ("red", "blue", "green", "black", "white", "yellow")

KINDS: dict[str, tuple[str, ...]] = {
    "fruit": ("apple", "pear", "plum", "fig", "lemon", "grape"),
    "animal": ("cat", "dog", "horse", "cow", "mouse", "duck"),
    "tool": ("hammer", "saw", "drill", "file", "wrench", "axe"),
    "colour": COLOURS,
    "vehicle": ("car", "bus", "train", "truck", "bike", "tram"),
}

NONSENSE = ("zibs", "lorps", "mups", "drins", "wugs", "blims", "fleks", "gorps")

PLACES = ("box", "bag", "drawer", "basket", "jar", "shelf")

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

DIRECTIONS = ("north", "east", "south", "west")

FUNCTIONS = ("solve", "work", "pick", "tally", "scan", "convert", "handle", "build", "check", "process")

STRINGS = (
    "banana split",
    "green tea",
    "old red barn",
    "sweet apple tree",
    "Hello There",
    "my cat sat",
    "Big Data",
    "tea at ten",
)
"""Inputs of the tests of functions on text."""

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def ordinal(index: int) -> str:
    """The word for the step at `index` (from 0): a critique has no digits, so that it cannot give a number away."""
    return ORDINALS[index] if index < len(ORDINALS) else "last"

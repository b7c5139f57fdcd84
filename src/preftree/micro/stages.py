"""The parts that small functions are made of: what each does in words, in Python, and as a function of ours.

Expected values of tests come from `run`, never from running the reference code, so that the two check each other.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from preftree.micro.words import COLOURS


class Stage(NamedTuple):
    """One part of a function."""

    phrase: str
    """In the instruction: `keeps the even numbers`."""
    goal: str
    """In a comment: `keep the even numbers`."""
    code: str
    """The expression, with `{x}` for its input."""
    run: Callable[[Any], Any]
    """What it does."""


Family = Callable[[Random], list[Stage]]
"""Draws a stage; the first of the list is it, the others are what one could mistake it for."""


def _keep(goal: str, test: str, keep: Callable[[int], bool]) -> Stage:
    return Stage(
        f"keeps the {goal}", f"keep the {goal}", f"[n for n in {{x}} if {test}]", lambda xs: [n for n in xs if keep(n)]
    )


def keep(rng: Random) -> list[Stage]:
    """Keep some of a list's numbers."""
    k = rng.randint(2, 9)
    d = rng.choice((3, 4, 5))
    groups = [
        [_keep("even numbers", "n % 2 == 0", lambda n: n % 2 == 0), _keep("odd numbers", "n % 2 == 1", lambda n: n % 2 == 1)],
        [
            _keep(f"numbers greater than {k}", f"n > {k}", lambda n: n > k),
            _keep(f"numbers less than {k}", f"n < {k}", lambda n: n < k),
            _keep(f"numbers of at least {k}", f"n >= {k}", lambda n: n >= k),
            _keep(f"numbers of at most {k}", f"n <= {k}", lambda n: n <= k),
        ],
        [
            _keep(f"numbers divisible by {d}", f"n % {d} == 0", lambda n: n % d == 0),
            _keep(f"numbers not divisible by {d}", f"n % {d} != 0", lambda n: n % d != 0),
            _keep(f"numbers other than {d}", f"n != {d}", lambda n: n != d),
        ],
    ]
    return _first(rng, rng.choice(groups))


def _each(phrase: str, goal: str, expression: str, change: Callable[[int], int]) -> Stage:
    return Stage(phrase, goal, f"[{expression} for n in {{x}}]", lambda xs: [change(n) for n in xs])


def change_each(rng: Random) -> list[Stage]:
    """Change each number of a list."""
    k = rng.randint(3, 9)
    return _first(
        rng,
        [
            _each(f"adds {k} to each number", f"add {k} to each", f"n + {k}", lambda n: n + k),
            _each(f"takes {k} from each number", f"take {k} from each", f"n - {k}", lambda n: n - k),
            _each(f"multiplies each number by {k}", f"multiply each by {k}", f"n * {k}", lambda n: n * k),
            _each("squares each number", "square each", "n * n", lambda n: n * n),
            _each("doubles each number", "double each", "n * 2", lambda n: n * 2),
        ],
    )


def arrange(rng: Random) -> list[Stage]:
    """Put a list in another order."""
    return _first(
        rng,
        [
            Stage("sorts the list", "sort the list", "sorted({x})", sorted),
            Stage("sorts the list from large to small", "sort from large to small", "sorted({x}, reverse=True)", _descending),
            Stage("reverses the list", "reverse the list", "{x}[::-1]", lambda xs: xs[::-1]),
            Stage(
                "removes repeated numbers and sorts", "remove repeats and sort", "sorted(set({x}))", lambda xs: sorted(set(xs))
            ),
        ],
    )


def _descending(xs: list[int]) -> list[int]:
    return sorted(xs, reverse=True)


def take(rng: Random) -> list[Stage]:
    """Take a part of a list."""
    k = rng.randint(2, 3)
    return _first(
        rng,
        [
            Stage(f"takes the first {k} items", f"take the first {k}", f"{{x}}[:{k}]", lambda xs: xs[:k]),
            Stage(f"takes the last {k} items", f"take the last {k}", f"{{x}}[-{k}:]", lambda xs: xs[-k:]),
            Stage(f"drops the first {k} items", f"drop the first {k}", f"{{x}}[{k}:]", lambda xs: xs[k:]),
            Stage("takes every second item", "take every second item", "{x}[::2]", lambda xs: xs[::2]),
        ],
    )


def summarise(rng: Random) -> list[Stage]:
    """One number of a list that may be empty."""
    return _first(
        rng,
        [
            Stage("returns their sum", "return the sum", "sum({x})", sum),
            Stage("returns how many there are", "return the count", "len({x})", len),
            Stage("returns their sum plus one", "return the sum plus one", "sum({x}) + 1", lambda xs: sum(xs) + 1),
        ],
    )


def extreme(rng: Random) -> list[Stage]:
    """One number of a list that is not empty."""
    return _first(
        rng,
        [
            Stage("returns the largest", "return the largest", "max({x})", max),
            Stage("returns the smallest", "return the smallest", "min({x})", min),
            Stage("returns the first", "return the first", "{x}[0]", lambda xs: xs[0]),
            Stage("returns the last", "return the last", "{x}[-1]", lambda xs: xs[-1]),
        ],
    )


def change_text(rng: Random) -> list[Stage]:
    """Change a text."""
    k = rng.randint(2, 4)
    a, b = rng.sample("aetn", 2)
    groups = [
        [
            Stage("makes the text upper case", "make it upper case", "{x}.upper()", str.upper),
            Stage("makes the text lower case", "make it lower case", "{x}.lower()", str.lower),
            Stage("reverses the text", "reverse the text", "{x}[::-1]", lambda s: s[::-1]),
        ],
        [
            Stage(f"takes the first {k} letters", f"take the first {k}", f"{{x}}[:{k}]", lambda s: s[:k]),
            Stage(f"takes the last {k} letters", f"take the last {k}", f"{{x}}[-{k}:]", lambda s: s[-k:]),
            Stage(f"repeats the text {k} times", f"repeat it {k} times", f"{{x}} * {k}", lambda s: s * k),
        ],
        [
            Stage(f"replaces {a} by {b}", f"replace {a} by {b}", f'{{x}}.replace("{a}", "{b}")', lambda s: s.replace(a, b)),
            Stage(f"replaces {b} by {a}", f"replace {b} by {a}", f'{{x}}.replace("{b}", "{a}")', lambda s: s.replace(b, a)),
            Stage(f"removes every {a}", f"remove every {a}", f'{{x}}.replace("{a}", "")', lambda s: s.replace(a, "")),
        ],
    ]
    return _first(rng, rng.choice(groups))


def measure_text(rng: Random) -> list[Stage]:
    """One number of a text."""
    a, b = rng.sample("aetn", 2)
    return _first(
        rng,
        [
            Stage("returns its length", "return the length", "len({x})", len),
            Stage(f"returns how often {a} is in it", f"count every {a}", f'{{x}}.count("{a}")', lambda s: s.count(a)),
            Stage(f"returns how often {b} is in it", f"count every {b}", f'{{x}}.count("{b}")', lambda s: s.count(b)),
            Stage("returns how many words it has", "count the words", "len({x}.split())", lambda s: len(s.split())),
        ],
    )


def split(rng: Random) -> list[Stage]:
    """A text becomes a list of words."""
    del rng
    return [Stage("splits the text into words", "split into words", "{x}.split()", str.split)]


def change_words(rng: Random) -> list[Stage]:
    """Choose or reorder words."""
    k = rng.randint(3, 4)
    return _first(
        rng,
        [
            Stage("sorts them", "sort them", "sorted({x})", sorted),
            Stage("reverses their order", "reverse their order", "{x}[::-1]", lambda ws: ws[::-1]),
            Stage(
                f"keeps those longer than {k} letters",
                f"keep those longer than {k}",
                f"[w for w in {{x}} if len(w) > {k}]",
                lambda ws: [w for w in ws if len(w) > k],
            ),
            Stage(
                f"keeps those shorter than {k} letters",
                f"keep those shorter than {k}",
                f"[w for w in {{x}} if len(w) < {k}]",
                lambda ws: [w for w in ws if len(w) < k],
            ),
        ],
    )


def use_words(rng: Random) -> list[Stage]:
    """A list of words becomes one thing."""
    sign, other = rng.sample("-+_/", 2)
    return _first(
        rng,
        [
            Stage(f"joins them with {sign}", f"join with {sign}", f'"{sign}".join({{x}})', sign.join),
            Stage(f"joins them with {other}", f"join with {other}", f'"{other}".join({{x}})', other.join),
            Stage("returns how many there are", "return the count", "len({x})", len),
            Stage("returns the list", "return the list", "list({x})", list),
        ],
    )


def change_number(rng: Random) -> list[Stage]:
    """Change a number."""
    k = rng.randint(3, 9)
    return _first(
        rng,
        [
            Stage(f"adds {k}", f"add {k}", f"{{x}} + {k}", lambda n: n + k),
            Stage(f"subtracts {k}", f"subtract {k}", f"{{x}} - {k}", lambda n: n - k),
            Stage(f"multiplies by {k}", f"multiply by {k}", f"{{x}} * {k}", lambda n: n * k),
            Stage("squares it", "square it", "{x} * {x}", lambda n: n * n),
            Stage(f"takes the remainder by {k}", f"take the remainder by {k}", f"{{x}} % {k}", lambda n: n % k),
        ],
    )


def test_number(rng: Random) -> list[Stage]:
    """Say whether a number has a property."""
    k = rng.randint(3, 9)
    return _first(
        rng,
        [
            Stage("returns whether it is even", "test whether it is even", "{x} % 2 == 0", lambda n: n % 2 == 0),
            Stage("returns whether it is odd", "test whether it is odd", "{x} % 2 == 1", lambda n: n % 2 == 1),
            Stage(f"returns whether it is above {k}", f"test whether it is above {k}", f"{{x}} > {k}", lambda n: n > k),
            Stage(f"returns whether it is below {k}", f"test whether it is below {k}", f"{{x}} < {k}", lambda n: n < k),
            Stage(f"returns whether {k} divides it", f"test whether {k} divides it", f"{{x}} % {k} == 0", lambda n: n % k == 0),
        ],
    )


def pair_up(rng: Random) -> list[Stage]:
    """Two numbers become one."""
    both = [
        Stage("takes the larger of a and b", "take the larger", "max(a, b)", max),
        Stage("takes the smaller of a and b", "take the smaller", "min(a, b)", min),
        Stage("adds a and b", "add a and b", "a + b", lambda p: p[0] + p[1]),
        Stage("multiplies a and b", "multiply a and b", "a * b", lambda p: p[0] * p[1]),
        Stage("subtracts b from a", "subtract b from a", "a - b", lambda p: p[0] - p[1]),
    ]
    return _first(rng, both)


def tell_colour(rng: Random) -> list[Stage]:
    """A number becomes one of two words."""
    k = rng.randint(3, 9)
    yes, no = rng.sample(COLOURS, 2)

    def stage(first: str, second: str, sign: str, test: Callable[[int], bool]) -> Stage:
        name = {">": "above", "<": "below"}[sign]
        return Stage(
            f"returns {first} if it is {name} {k}, else {second}",
            f"choose {first} or {second}",
            f'"{first}" if {{x}} {sign} {k} else "{second}"',
            lambda n: first if test(n) else second,
        )

    return _first(
        rng,
        [
            stage(yes, no, ">", lambda n: n > k),
            stage(no, yes, ">", lambda n: n > k),
            stage(yes, no, "<", lambda n: n < k),
        ],
    )


def _first(rng: Random, stages: list[Stage]) -> list[Stage]:
    """The stages with a random one in front."""
    return rng.sample(stages, len(stages))

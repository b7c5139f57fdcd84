"""The puzzles themselves: each draws facts, says them, solves them, and knows how a fact is misread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any

from preftree.micro.words import COLOURS, DAYS, DIRECTIONS, KINDS, NAMES, NONSENSE, PLACES, THINGS
from preftree.problem import AnswerKind

Solution = tuple[list[str], str]
"""The lines of reasoning, and the answer."""


@dataclass(frozen=True)
class Puzzle:
    """One puzzle."""

    text: str
    facts: Sequence[Any]
    solve: Callable[[Sequence[Any]], Solution]
    misread: Callable[[Random, Any], Any]
    hints: tuple[str, ...]
    """For each line of reasoning, what to look at again; names nothing that could be the answer."""
    answers: tuple[str, ...]
    """Every answer one could give."""
    kind: AnswerKind = "string"
    choices: tuple[str, ...] = ()


def _letters(choices: Sequence[str]) -> tuple[str, ...]:
    return tuple(chr(65 + i) for i in range(len(choices)))


def _ranked(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """People from most to least, where each pair is (more, less); ties by name."""
    people = sorted({p for pair in pairs for p in pair})
    above = {p: {b for a, b in pairs if a == p} for p in people}

    def below(person: str, seen: frozenset[str]) -> int:
        return sum(1 + below(p, seen | {p}) for p in above[person] if p not in seen)

    return sorted(people, key=lambda p: (-below(p, frozenset({p})), p))


def tallest(rng: Random) -> Puzzle:
    """Who of a chain of comparisons is the tallest or shortest."""
    people = rng.sample(NAMES, rng.choice((3, 3, 4)))
    facts = list(pairwise(people))
    rng.shuffle(facts)
    top = rng.random() < 0.5
    more, less, most = rng.choice(
        (("taller", "shorter", ("tallest", "shortest")), ("faster", "slower", ("fastest", "slowest")))
    )
    clues = [f"{a} is {more} than {b}." if rng.random() < 0.6 else f"{b} is {less} than {a}." for a, b in facts]
    choices = tuple(sorted(people))

    def solve(facts: Sequence[Any]) -> Solution:
        order = _ranked(facts)
        lines = [f"{a} > {b}" for a, b in facts] + ["order: " + " > ".join(order)]
        return lines, chr(65 + choices.index(order[0] if top else order[-1]))

    return Puzzle(
        f"{' '.join(clues)} Who is the {most[0] if top else most[1]}?",
        facts,
        solve,
        lambda r, f: (f[1], f[0]),
        (*(["read this clue again"] * len(facts)), "put all clues into one order"),
        _letters(choices),
        "choice",
        choices,
    )


def oldest(rng: Random) -> Puzzle:
    """Who of several people with given or relative ages is the oldest or youngest."""
    people = rng.sample(NAMES, 3)
    base = rng.randint(10, 40)
    older, younger = rng.sample(range(2, 10), 2)
    top = rng.random() < 0.5
    facts = [(people[0], base, 0), (people[1], people[0], older), (people[2], people[0], -younger)]
    if rng.random() < 0.5:
        facts[2] = (people[2], people[1], -(older + younger))
    said = {True: "older", False: "younger"}
    clues = [f"{people[0]} is {base}."] + [f"{p} is {abs(d)} years {said[d > 0]} than {q}." for p, q, d in facts[1:]]
    choices = tuple(sorted(people))

    def solve(facts: Sequence[Any]) -> Solution:
        ages: dict[str, int] = {}
        lines = []
        for person, start, change in facts:
            before = ages.get(start, start)
            ages[person] = before + change
            sign = "+" if change > 0 else "-"
            lines.append(f"{person} is {before} {sign} {abs(change)} = {ages[person]}" if change else f"{person} is {before}")
        best = (max if top else min)(ages, key=lambda p: ages[p])
        return lines, chr(65 + choices.index(best))

    return Puzzle(
        f"{' '.join(clues)} Who is the {'oldest' if top else 'youngest'}?",
        facts,
        solve,
        lambda r, f: (f[0], f[1], -f[2]),
        ("read the given age again", "see who is older here", "see who is older here"),
        _letters(choices),
        "choice",
        choices,
    )


def swaps(rng: Random) -> Puzzle:
    """Which colour someone holds after swaps."""
    people = rng.sample(NAMES, 3)
    colours = rng.sample(COLOURS, 3)
    facts = [tuple(rng.sample(people, 2)) for _ in range(rng.choice((1, 2, 2, 3)))]
    asked = rng.choice(people)
    start = ". ".join(f"{p} has the {c} ball" for p, c in zip(people, colours, strict=True))
    moves = " ".join(f"{a} and {b} swap." for a, b in facts)

    def solve(facts: Sequence[Any]) -> Solution:
        held = dict(zip(people, colours, strict=True))
        lines = []
        for pair in facts:
            if pair:
                held[pair[0]], held[pair[1]] = held[pair[1]], held[pair[0]]
            lines.append(", ".join(f"{p} {held[p]}" for p in people))
        return lines, held[asked]

    return Puzzle(
        f"{start}. {moves} What colour does {asked} have?",
        facts,
        solve,
        lambda r, f: tuple(r.sample(people, 2)) if r.random() < 0.6 else (),
        tuple(["see who swaps here and what they hold"] * len(facts)),
        tuple(colours),
    )


def turns(rng: Random) -> Puzzle:
    """Where someone faces after turns."""
    name = rng.choice(NAMES)
    start = rng.randrange(4)
    ways = {"right": 1, "left": 3, "around": 2}
    facts = rng.choices(list(ways), k=rng.choice((1, 2, 2, 3)))

    def solve(facts: Sequence[Any]) -> Solution:
        at = start
        lines = []
        for way in facts:
            at = (at + ways[way]) % 4
            lines.append(f"turn {way}: {DIRECTIONS[at]}")
        return lines, DIRECTIONS[at]

    moves = " ".join(f"{name} turns {way}." for way in facts)
    return Puzzle(
        f"{name} faces {DIRECTIONS[start]}. {moves} Which way does {name} face now?",
        facts,
        solve,
        lambda r, f: r.choice([way for way in ways if way != f]),
        tuple(["think about where this turn ends"] * len(facts)),
        DIRECTIONS,
    )


def days(rng: Random) -> Puzzle:
    """Which day it is some days before or after another."""
    start = rng.randrange(7)
    facts = [rng.choice((-1, 1)) * rng.randint(1, 3) for _ in range(rng.choice((1, 1, 2)))]

    def said(days: int) -> str:
        return f"{abs(days)} day{'s' if abs(days) > 1 else ''} {'after' if days > 0 else 'before'}"

    def solve(facts: Sequence[Any]) -> Solution:
        at = start
        lines = []
        for change in facts:
            before, at = at, (at + change) % 7
            lines.append(f"{said(change)} {DAYS[before]} is {DAYS[at]}")
        return lines, DAYS[at]

    meeting = f"The meeting is {said(facts[0])} {DAYS[start]}."
    party = f" The party is {said(facts[1])} the meeting." if len(facts) > 1 else ""
    asked = "party" if party else "meeting"
    thing = rng.choice(THINGS)
    return Puzzle(
        f"{meeting}{party} {rng.choice(NAMES)} brings {thing}. On which day is the {asked}?",
        facts,
        solve,
        lambda r, f: -f if r.random() < 0.5 else (f + r.choice((-1, 1)) or 2),
        tuple(["count the days again, forward for after and back for before"] * len(facts)),
        DAYS,
    )


def syllogism(rng: Random) -> Puzzle:
    """Whether a conclusion follows from a chain of `all` and `no`."""
    kinds = rng.sample(NONSENSE, 3)
    name = rng.choice(NAMES)
    facts = ["all", rng.choice(("all", "no"))]
    if rng.random() < 0.3:
        facts = [rng.choice(("all", "no"))]
    used = kinds[: len(facts) + 1]
    words = {"all": "All", "no": "No"}

    def solve(facts: Sequence[Any]) -> Solution:
        lines = [f"{name} is one of the {used[0]}"]
        inside = True
        for i, fact in enumerate(facts):
            inside = inside and fact == "all"
            lines.append(f"{name} is {'one' if inside else 'none'} of the {used[i + 1]}")
        return lines, "yes" if inside else "no"

    clues = " ".join(f"{words[f]} {a} are {b}." for f, a, b in zip(facts, used, used[1:], strict=False))
    extra = f" Some {used[-1]} are {rng.choice(COLOURS)}." if rng.random() < 0.3 else ""
    return Puzzle(
        f"{clues}{extra} {name} is one of the {used[0]}. Is {name} one of the {used[-1]}?",
        facts,
        solve,
        lambda r, f: "all" if f == "no" else "no",
        ("read who is meant", *(["read the rule about these two groups again"] * len(facts))),
        ("yes", "no"),
        "boolean",
    )


def odd_one_out(rng: Random) -> Puzzle:
    """Which word is of another kind than the rest."""
    kind, other = rng.sample(sorted(KINDS), 2)
    words = rng.sample(KINDS[kind], 3)
    odd = rng.choice(KINDS[other])
    order = [*words, odd]
    rng.shuffle(order)
    facts = [(word, other if word == odd else kind) for word in order]
    choices = tuple(order)

    def solve(facts: Sequence[Any]) -> Solution:
        kinds = [k for _, k in facts]
        rare = min(range(len(facts)), key=lambda i: (kinds.count(kinds[i]), i))
        return [f"{word} is {k}" for word, k in facts], chr(65 + rare)

    return Puzzle(
        "Which word does not belong with the others?",
        facts,
        solve,
        lambda r, f: (f[0], r.choice(sorted(k for k in KINDS if k != f[1]))),
        tuple(["ask what kind of thing this is"] * 4),
        _letters(choices),
        "choice",
        choices,
    )


def pattern(rng: Random) -> Puzzle:
    """What comes next in a repeating pattern."""
    size = rng.choice((2, 3, 3, 4))
    unit = rng.sample(COLOURS, size)
    shown = size + rng.randint(1, size)
    row = [unit[i % size] for i in range(shown)]
    facts = [size, shown]

    def solve(facts: Sequence[Any]) -> Solution:
        size, shown = facts
        part = row[:size]
        at = shown % size
        lines = [f"the part that repeats is {' '.join(part)}", f"{at} of it are used" if at else "all of it is used"]
        return lines, part[at]

    return Puzzle(
        f"A row of beads goes {' '.join(row)}. Which colour is next?",
        facts,
        solve,
        lambda r, f: max(2, f + r.choice((-1, 1))),
        ("find the part that repeats", "count how far into the part the row has come"),
        tuple(unit),
    )


def places(rng: Random) -> Puzzle:
    """Where a thing is after it and another were moved."""
    name, other = rng.sample(NAMES, 2)
    thing, decoy = rng.sample(("key", "ring", "coin", "pen", "ball"), 2)
    spots = rng.sample(PLACES, 4)
    facts = [(thing, spots[0])]
    for spot in spots[1 : rng.choice((3, 4))]:
        facts.append((rng.choice((thing, thing, decoy)), spot))
    people = [rng.choice((name, other)) for _ in facts]

    def solve(facts: Sequence[Any]) -> Solution:
        at = ""
        lines = []
        for what, spot in facts:
            at = spot if what == thing or not at else at
            lines.append(f"{thing} in the {at}")
        return lines, at

    moves = " ".join(f"{p} puts the {what} into the {spot}." for p, (what, spot) in zip(people[1:], facts[1:], strict=True))
    return Puzzle(
        f"The {thing} is in the {spots[0]}. {moves} Where is the {thing}?",
        facts,
        solve,
        lambda r, f: (decoy if f[0] == thing else thing, f[1]),
        tuple(["see which thing is moved here"] * len(facts)),
        tuple(spots),
    )


def row(rng: Random) -> Puzzle:
    """Who sits in the middle or at an end of a row."""
    people = rng.sample(NAMES, 3)
    facts = [(people[0], people[1]), (people[1], people[2])]
    rng.shuffle(facts)
    clues = [f"{a} sits just left of {b}." if rng.random() < 0.5 else f"{b} sits just right of {a}." for a, b in facts]
    place = rng.choice(("in the middle", "at the left end", "at the right end"))
    choices = tuple(sorted(people))

    def solve(facts: Sequence[Any]) -> Solution:
        order = _ranked(facts)
        lines = [f"{a} before {b}" for a, b in facts] + ["row: " + " ".join(order)]
        at = {"in the middle": len(order) // 2, "at the left end": 0, "at the right end": -1}[place]
        return lines, chr(65 + choices.index(order[at]))

    return Puzzle(
        f"{' '.join(clues)} Who sits {place}?",
        facts,
        solve,
        lambda r, f: (f[1], f[0]),
        (*(["read this clue again"] * 2), "put the clues into one row"),
        _letters(choices),
        "choice",
        choices,
    )


_RULES = (
    ("it rains", "it does not rain", "stays home", "goes out", "stay home"),
    ("it is cold", "it is not cold", "wears gloves", "has bare hands", "wear gloves"),
    ("the shop is open", "the shop is closed", "buys milk", "has no milk", "buy milk"),
    ("it is late", "it is early", "takes the bus", "walks", "take the bus"),
)
"""A cause and its contrary, an effect and its contrary, and the effect as it is asked about."""


def rule(rng: Random) -> Puzzle:
    """Whether a thing happens under an if-rule, directly or by its contrary."""
    name = rng.choice(NAMES)
    cause, contrary, effect, other, asked = rng.choice(_RULES)
    facts = [rng.choice((True, False)), rng.choice((True, False))]

    def solve(facts: Sequence[Any]) -> Solution:
        positive, met = facts
        lines = [
            f"the rule needs that {cause}" if positive else f"the rule breaks when {cause}",
            "it does" if met else "it does not",
        ]
        return lines, "yes" if positive == met else "no"

    then, otherwise = (effect, other) if facts[0] else (other, effect)
    now = cause if facts[1] else contrary
    return Puzzle(
        f"If {cause}, {name} {then}. Else {name} {otherwise}. Today {now}. Does {name} {asked}?",
        facts,
        solve,
        lambda r, f: not f,
        ("read the rule again", "see how it is today"),
        ("yes", "no"),
        "boolean",
    )


def truth_table(rng: Random) -> Puzzle:
    """The value of a formula of two or three statements."""
    values = [rng.random() < 0.5 for _ in range(3)]
    negate = rng.random() < 0.5
    first, second = rng.choice(("and", "or")), rng.choice(("and", "or"))
    facts = [first, negate, second]

    def join(a: bool, op: str, b: bool) -> bool:
        return (a and b) if op == "and" else (a or b)

    def word(value: bool) -> str:
        return "true" if value else "false"

    def solve(facts: Sequence[Any]) -> Solution:
        first, negate, second = facts
        one = join(values[0], first, values[1])
        two = values[2] != negate
        end = join(one, second, two)
        lines = [
            f"P {first} Q is {word(one)}",
            f"not R is {word(two)}" if negate else f"R is {word(two)}",
            f"{word(one)} {second} {word(two)} is {word(end)}",
        ]
        return lines, "yes" if end else "no"

    said = ". ".join(f"{letter} is {word(value)}" for letter, value in zip("PQR", values, strict=True))
    return Puzzle(
        f"{said}. Is ((P {first} Q) {second} {'not R' if negate else 'R'}) true?",
        facts,
        solve,
        lambda r, f: (not f) if isinstance(f, bool) else ("or" if f == "and" else "and"),
        ("check how the first two combine", "check the third one alone", "combine the two results again"),
        ("yes", "no"),
        "boolean",
    )

"""Small functions to write: chains of one to three stages over lists, texts, words and numbers, with unit tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from preftree.micro import stages
from preftree.micro.draft import Draft, Wrong
from preftree.micro.stages import Family, Stage
from preftree.micro.words import FUNCTIONS, STRINGS
from preftree.problem import Problem, Reference, UnitTests


class Template(NamedTuple):
    """A kind of function."""

    name: str
    signature: str
    families: tuple[Family, ...]
    draw: Callable[[Random], Any]
    """An input of a test."""
    names: tuple[str, ...]
    """What the results of the stages before the last are called."""


def _numbers(rng: Random) -> list[int]:
    return [rng.randint(0, 15) for _ in range(rng.randint(4, 6))]


def _text(rng: Random) -> str:
    return rng.choice(STRINGS)


def _number(rng: Random) -> int:
    return rng.randint(0, 20)


def _two(rng: Random) -> tuple[int, int]:
    return rng.randint(0, 12), rng.randint(0, 12)


_S = stages
TEMPLATES: tuple[Template, ...] = (
    Template("keep", "xs", (_S.keep,), _numbers, ()),
    Template("change-each", "xs", (_S.change_each,), _numbers, ()),
    Template("arrange", "xs", (_S.arrange,), _numbers, ()),
    Template("keep-summarise", "xs", (_S.keep, _S.summarise), _numbers, ("kept",)),
    Template("change-extreme", "xs", (_S.change_each, _S.extreme), _numbers, ("changed",)),
    Template("keep-change", "xs", (_S.keep, _S.change_each), _numbers, ("kept",)),
    Template("arrange-take", "xs", (_S.arrange, _S.take), _numbers, ("ordered",)),
    Template("keep-change-summarise", "xs", (_S.keep, _S.change_each, _S.summarise), _numbers, ("kept", "changed")),
    Template("arrange-take-extreme", "xs", (_S.arrange, _S.take, _S.extreme), _numbers, ("ordered", "part")),
    Template("text", "s", (_S.change_text,), _text, ()),
    Template("text-text", "s", (_S.change_text, _S.change_text), _text, ("t",)),
    Template("text-measure", "s", (_S.change_text, _S.measure_text), _text, ("t",)),
    Template("words", "s", (_S.split, _S.change_words), _text, ("words",)),
    Template("words-use", "s", (_S.split, _S.change_words, _S.use_words), _text, ("words", "some")),
    Template("number-number", "n", (_S.change_number, _S.change_number), _number, ("m",)),
    Template("number-test", "n", (_S.change_number, _S.test_number), _number, ("m",)),
    Template("number-colour", "n", (_S.change_number, _S.tell_colour), _number, ("m",)),
    Template("two-numbers", "a, b", (_S.pair_up, _S.change_number), _two, ("m",)),
)

_TESTS = 5
"""Ours: enough that a wrong stage is caught, few enough to be shown."""


def apply(chain: Sequence[Stage], value: Any) -> Any:
    """What the stages make of an input."""
    for stage in chain:
        value = stage.run(value)
    return value


def _outcome(chain: Sequence[Stage], value: Any) -> Any:
    """Like `apply`; a function that raises gets the exception's type as its outcome."""
    try:
        return apply(chain, value)
    except (TypeError, ValueError, IndexError, AttributeError) as e:
        return type(e)


def program(template: Template, name: str, chain: Sequence[Stage]) -> str:
    """The function as Python, a comment before each stage."""
    rows = [f"def {name}({template.signature}):"]
    before = template.signature
    for i, stage in enumerate(chain):
        code = stage.code.replace("{x}", before)
        last = i == len(chain) - 1
        rows.append(f"    # Step {i + 2}: {stage.goal}")
        before = template.names[i] if not last else ""
        rows.append(f"    return {code}" if last else f"    {before} = {code}")
    return "\n".join(rows)


def action(template: Template, name: str, chain: Sequence[Stage]) -> str:
    """A whole action in the flat form."""
    return f"Step 1: write {name}({template.signature})\n```python\n{program(template, name, chain)}\n```"


def draft(rng: Random) -> Draft:
    """A function of a random template."""
    template = rng.choice(TEMPLATES)
    while True:
        drawn = [family(rng) for family in template.families]
        chain = [d[0] for d in drawn]
        if not _differ(chain):
            continue
        tests = _inputs(rng, template, drawn)
        if tests:
            break
    name = rng.choice(FUNCTIONS)
    phrases = [stage.phrase for stage in chain]
    if not phrases[-1].startswith("returns"):
        phrases.append("returns the result")
    text = ", then ".join(phrases)
    problem = Problem(
        task="Coding",
        dataset="micro",
        instruction=f"Write a Python function {name}({template.signature}) that {text}.",
        reference=Reference(
            tests=UnitTests(asserts=tuple(_assert(name, x, apply(chain, x)) for x in tests), entry_point=name),
            solutions=(program(template, name, chain),),
            rationale="\n".join(f"Step {i}: {stage.goal}" for i, stage in enumerate(chain, 1)),
        ),
        metadata={
            "template": template.name,
            "steps": [
                {"goal": stage.goal, "code": line} for stage, line in zip(chain, _lines(template, name, chain), strict=True)
            ],
        },
    )
    return Draft(problem, action(template, name, chain), lambda r: _wrong(r, template, name, drawn, tests))


def _differ(chain: Sequence[Stage]) -> bool:
    return len({stage.phrase for stage in chain}) == len(chain)


def _lines(template: Template, name: str, chain: Sequence[Stage]) -> list[str]:
    return [row.strip() for row in program(template, name, chain).split("\n")[2::2]]


def _call(name: str, value: Any) -> str:
    return f"{name}({', '.join(map(repr, value)) if isinstance(value, tuple) else repr(value)})"


def _assert(name: str, value: Any, expected: Any) -> str:
    return f"assert {_call(name, value)} == {expected!r}"


def _inputs(rng: Random, template: Template, drawn: Sequence[Sequence[Stage]]) -> list[Any]:
    """Inputs that tell the right function from every one with a single stage mistaken, or [] where none were found."""
    chain = [d[0] for d in drawn]
    others = [[*chain[:i], other, *chain[i + 1 :]] for i, d in enumerate(drawn) for other in d[1:]]
    others = [other for other in others if other[-1].phrase.startswith("returns") == chain[-1].phrase.startswith("returns")]
    pool = [x for x in (template.draw(rng) for _ in range(24)) if not isinstance(_outcome(chain, x), type)]
    found: list[Any] = []
    while pool and others and len(found) < _TESTS:
        best = max(pool, key=lambda x: sum(_outcome(o, x) != apply(chain, x) for o in others))
        left = [o for o in others if _outcome(o, best) == apply(chain, best)]
        if len(left) == len(others):
            return []
        found.append(best)
        others = left
    if others:
        return []
    for extra in pool:
        if len(found) < 3 and extra not in found:
            found.append(extra)
    return found


def _wrong(rng: Random, template: Template, name: str, drawn: Sequence[Sequence[Stage]], tests: Sequence[Any]) -> Wrong | None:
    """A function with a stage mistaken, left out, or two swapped; None if it passes or cannot run."""
    right = [d[0] for d in drawn]
    chain = list(right)
    at = rng.randrange(len(chain))
    kind = rng.choice(("mistake", "mistake", "mistake", "skip", "swap"))
    if kind == "mistake":
        chain[at] = rng.choice([*drawn[at][1:], template.families[at](rng)[0]])
    elif kind == "skip" and len(chain) > 1:
        chain[at] = Stage("", right[at].goal, "{x}", lambda x: x)
    elif kind == "swap" and len(chain) == 3 and template.families[0] is stages.keep:
        chain[:2] = chain[1], chain[0]
    else:
        return None
    for number, value in enumerate(tests, 1):
        outcome = _outcome(chain, value)
        if isinstance(outcome, type):
            return None
        if outcome != apply(right, value):
            said = f"{_call(name, value)}: expected {apply(right, value)!r}, found {outcome!r}"
            return Wrong(action(template, name, chain), f"test {number} of {len(tests)}: {said}")
    return None

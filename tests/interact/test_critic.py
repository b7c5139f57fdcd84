"""The critic may not give the answer away."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from preftree.interact.critic import REDACTED, ModelCritic, redact
from preftree.llm.base import Sampling
from preftree.llm.scripted import ScriptedChat
from preftree.problem import Problem, Reference, UnitTests
from preftree.tree import Action, Grade, Observation, Position, Verdict

CHOICES = ("London", "Paris (France)", "Rome")


def problem_of(answer: str | None, instruction: str = "What is asked?", **reference: object) -> Problem:
    gold = Reference.model_validate({"answer": answer, **reference})
    return Problem(task="Coding" if answer is None else "Logic", dataset="d", instruction=instruction, reference=gold)


def hidden(text: str, problem: Problem, said: str = "I do not know.") -> str:
    found, leaks = redact(text, problem, Action(text=said))
    assert leaks == found.count(REDACTED) - text.count(REDACTED)
    return found


@pytest.mark.parametrize(
    ("answer", "said", "left"),
    [
        ("72", "It is 72, not 70.", "It is [hidden], not 70."),
        ("72", "72 and 72.0 and $72 and 72kg and 72.", "[hidden] and [hidden] and $[hidden] and [hidden]kg and [hidden]."),
        ("72", "172, 7.2, 720, 72.5, 0.72 and 3.72 stay", "172, 7.2, 720, 72.5, 0.72 and 3.72 stay"),
        ("18", "Compute 36/2 first", "Compute 36/2 first"),
        ("1200", "1,200 or 1200.00 or 1{,}200", "[hidden] or [hidden] or [hidden]"),
        ("$1,200.50", "1200.5 or 1,200.50", "[hidden] or [hidden]"),
        ("1,200", "the sum 1200 (not 11,200)", "the sum [hidden] (not 11,200)"),
        ("0.5", r"1/2, \frac{1}{2}, \dfrac{1}{2}, .5, 0.50, 2/4", "[hidden], [hidden], [hidden], [hidden], [hidden], [hidden]"),
        (r"\frac{3}{4}", "0.75 or 3/4, not 3 / 5", "[hidden] or [hidden], not 3 / 5"),
        ("-5", "it is -5 (or −5.0), not 5", "it is [hidden] (or [hidden]), not 5"),
        ("7", "Try 7 apples", "Try [hidden] apples"),
        ("10^5", "so 10^5 or 10 ^ 5", "so [hidden] or [hidden]"),
        (r"x^2 + 1", "f(x)=x^2+1", "f(x)=[hidden]"),
        ("(a|b)*", "match (a|b)* here", "match [hidden] here"),
        ("[1, 2]", "return [1,2]", "return [hidden]"),
        ("New York", "new  york, NEW YORK but New Yorkers", "[hidden], [hidden] but New Yorkers"),
        ("art", "Start with the ART of it", "Start with the [hidden] of it"),
        ("é", "the answer is é", "the answer is [hidden]"),
        ("1/0", "not 1/0", "not [hidden]"),
    ],
)
def test_answers_in_their_spellings(answer: str, said: str, left: str) -> None:
    assert hidden(said, problem_of(answer)) == left


def test_what_the_actor_knows_already_is_no_leak() -> None:
    assert hidden("You doubled 1,200.", problem_of("1200", "Half of 2400, or 1200?")) == "You doubled 1,200."
    assert hidden("You doubled 1200.", problem_of("1200"), said="1,200 + 0") == "You doubled 1200."
    assert hidden("Go to paris.", problem_of("Paris", kind="string"), said="PARIS?") == "Go to paris."
    # One character is everywhere: it is blanked where it is stated.
    four = problem_of("4", "2 + 2, in 4 steps?")
    assert hidden("Step 4 is wrong. The answer is 4.", four) == "Step 4 is wrong. The answer is [hidden]."


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("The answer is B.", "The answer is [hidden]."),
        ("Choose option (B), it is **B**", "Choose option ([hidden]), it is **[hidden]**"),
        ("(B) is right.", "([hidden]) is right."),
        ("B would be the correct one", "[hidden] would be the correct one"),
        ("The correct option is Paris (France).", "The correct option is [hidden]."),
        ("paris (France) is the answer", "[hidden] is the answer"),
        ("A is not right. Read B again; plan B is a good one.", "A is not right. Read B again; plan B is a good one."),
        ("Paris (France) and Rome are compared", "Paris (France) and Rome are compared"),
        ("The answer is Because", "The answer is Because"),
    ],
)
def test_options_only_where_they_are_stated(said: str, left: str) -> None:
    assert hidden(said, problem_of("B", kind="choice", choices=CHOICES)) == left


@pytest.mark.parametrize(
    ("answer", "said", "left"),
    [
        ("no", "The answer is no.", "The answer is [hidden]."),
        ("no", "The answer should be: False", "The answer should be: [hidden]"),
        ("no", "It should be no.", "It should be [hidden]."),
        ("no", "There is no reason, and it should be no surprise.", "There is no reason, and it should be no surprise."),
        ("yes", "The conclusion must be 'Yes', true to the facts.", "The conclusion must be '[hidden]', true to the facts."),
        ("True", "The answer is yes", "The answer is [hidden]"),
        ("yes", "The answer is no", "The answer is no"),
    ],
)
def test_yes_and_no_only_where_they_are_stated(answer: str, said: str, left: str) -> None:
    assert hidden(said, problem_of(answer, kind="boolean")) == left


def test_common_words_are_left_alone() -> None:
    said = "A good start: is a step missing? I think there is no base case. Be careful."
    assert hidden(said, problem_of("A", kind="choice", choices=CHOICES)) == said
    assert hidden(said, problem_of("no", kind="boolean")) == said


def test_lines_of_a_solution() -> None:
    solution = "def add(first, second):\n    return first + second + offset\n"
    coding = problem_of(None, tests=UnitTests(asserts=("assert add(1, 2) == 3",)), solutions=(solution, "x = 1"))
    said = "Write `return first + second + offset` and x = 1, twice: return first + second + offset"
    assert hidden(said, coding) == "Write `[hidden]` and x = 1, twice: [hidden]"
    assert hidden(said, coding, said="    return first + second + offset") == said


def test_overlapping_solution_lines_are_blanked_longest_first() -> None:
    short, long = "print(compute(values))", "if ready: print(compute(values))"
    coding = problem_of(None, tests=UnitTests(asserts=("assert 1",)), solutions=(f"{short}\n{long}",))
    assert redact(f"do {long}", coding, Action(text="")) == ("do [hidden]", 1)


WORDS = st.lists(
    st.sampled_from(["so", "step", "is", "wrong:", "(", "add", "x =", "3.5", "12", "$", "the", "answer is"]), max_size=6
).map(" ".join)


@given(WORDS, WORDS, st.integers(-5000, 5000), st.sampled_from(["{}", "{:,}", "{}.0", "${}$", "**{:,}.00**"]), st.booleans())
def test_no_whole_number_survives(before: str, after: str, gold: int, spelling: str, commas: bool) -> None:
    problem = problem_of(f"{gold:,}" if commas else str(gold))
    said = f"{before} {spelling.format(gold)} {after}"
    left = hidden(said, problem)
    numbers = [float(n.replace(",", "")) for n in re.findall(r"-?\d[\d,]*(?:\.\d+)?", left)]
    assert gold not in numbers
    if gold not in (0, 12):
        assert left.replace(REDACTED, "").split()[: len(before.split())] == before.split()


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=2, max_size=8), WORDS, WORDS)
def test_no_text_answer_survives(gold: str, before: str, after: str) -> None:
    assume(gold.strip() and len(gold.strip()) > 1)
    problem = problem_of(gold, instruction="?", kind="string")
    gold = gold.strip()
    left, leaks = redact(f"{before} {gold} {after}", problem, Action(text=""))
    assert leaks >= 1
    assert f" {gold} " not in f" {left} "


@given(st.text(max_size=60), st.sampled_from(["A", "yes", "72", "0.5", "(x", "\\frac{1}{2}", "Paris"]))
def test_any_text_can_be_read(said: str, gold: str) -> None:
    kind = {"A": "choice", "yes": "boolean"}.get(gold, "math")
    text, leaks = redact(said, problem_of(gold, kind=kind, choices=CHOICES), Action(text=""))
    assert leaks > 0 or text == said


def test_long_critiques_are_read_in_linear_time() -> None:
    for unit in ("1", "1 ", "1,", "1/", "answer ", "is ", "\\frac{1}", "(", ".", "-", "111,"):
        for gold in ("72", "-0.5"):
            redact(unit * (100_000 // len(unit)), problem_of(gold), Action(text=unit * 1000))
        redact(unit * (100_000 // len(unit)), problem_of("B", kind="choice", choices=CHOICES), Action(text=""))


def test_a_model_as_the_critic() -> None:
    chat = ScriptedChat("  Step 1 is wrong. The sum is 72.\n", name="teacher")
    problem = problem_of("72", "Add.")
    wrong = Observation(text="Your answer is wrong.", grade=Grade(verdict=Verdict.incorrect, grader="t", version="1"))
    position = Position("p", "1r", "critic", 0, 0)
    critic = ModelCritic(chat, Sampling(temperature=0.0))
    critique = asyncio.run(critic.criticise(problem, [], Action(text="Step 1: 70"), wrong, seed=5, position=position))
    assert (critique.text, critique.leaks, critique.model) == ("Step 1 is wrong. The sum is [hidden].", 1, "teacher")
    assert critique.usage.completion_tokens == 8
    (call,) = chat.calls
    assert (call.seed, call.position, call.sampling.temperature) == (5, position, 0.0)
    assert "Answer: 72" in call.messages[-1].content

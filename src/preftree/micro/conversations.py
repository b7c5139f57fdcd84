"""What the micro models learn from: single turns, and wrong attempts followed by feedback and a right one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import NamedTuple

from preftree.interact.parse import parse
from preftree.interact.prompts import WRONG, Turn, conversation
from preftree.micro.critic import ReferenceCritic
from preftree.micro.draft import Draft, Wrong
from preftree.micro.generate import drafts
from preftree.problem import Problem, Task
from preftree.tree import Action, Critique, Grade, Observation, Verdict, seed_of

MIX: tuple[Task, ...] = ("Math_CoT", "Math_PoT", "Coding", "Math_CoT", "Math_PoT", "Logic")
"""The tasks of lessons, in turn; ours: math is what takes longest to learn."""


class Lesson(NamedTuple):
    """A conversation with the action to be learnt at its end."""

    messages: list[tuple[str, str]]
    """(role, text) up to the action."""
    action: str
    """What is learnt."""


def lessons(n: int, seed: int, *, feedback: float, mistakes: Mapping[Task, float]) -> Iterator[Lesson]:
    """`n` conversations about problems of the training side.

    Args:
        n: how many.
        seed: what they are a function of.
        feedback: the share that has wrong turns before the action, rising from none to twice this over the `n`, so
            that solving is learnt before mending; more turns are rarer, up to four.
        mistakes: by task, the share of first attempts that are wrong ones. After feedback every action is right: who learns
            from these is careless at first, as people's texts are, and careful once a mistake has been pointed out.
    """
    for index, draft in enumerate(drafts(n, seed, MIX, train=True)):
        rng = Random(seed_of(seed, "lesson", index))
        history: list[Turn] = []
        turns = rng.choices((1, 2, 3, 4), (8, 4, 2, 1))[0] if rng.random() < 2 * feedback * index / n else 0
        for _ in range(turns):
            wrong = _draw(rng, draft)
            if wrong:
                history.append(answered(draft.problem, wrong))
        careless = not history and rng.random() < mistakes.get(draft.problem.task, 0.0)
        action = _draw(rng, draft) if careless else None
        messages = [(str(role), text) for role, text in conversation(draft.problem, history)]
        yield Lesson(messages, action.text if action else draft.right)


def _draw(rng: Random, draft: Draft) -> Wrong | None:
    return next((wrong for _ in range(12) if (wrong := draft.wrong(rng))), None)


def act(problem: Problem, text: str) -> Action:
    """A text as an action on the problem."""
    parsed = parse(text, problem.task)
    return Action(text=parsed.flat, code=parsed.code, answer=parsed.answer)


def answered(problem: Problem, wrong: Wrong) -> Turn:
    """A wrong action with the environment's and the critic's words, as growing puts them."""
    action = act(problem, wrong.text)
    shown = f"{wrong.output}\n{WRONG}" if wrong.output else WRONG
    observation = Observation(text=shown, grade=Grade(verdict=Verdict.incorrect, grader="micro", version="1"))
    critic = ReferenceCritic()
    return Turn(action, observation, Critique(text=critic.critique(problem, action), model=critic.name))

"""The critic: comments on an action having seen the reference, and may not give the answer away."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from preftree.interact.prompts import Turn, critic_messages
from preftree.llm.base import ChatModel, Sampling
from preftree.problem import Problem
from preftree.tree import Action, Critique, Observation, Position

REDACTED = "[hidden]"


class Critic(Protocol):
    """Writes a critique of an action."""

    name: str
    """What the critic is called in nodes."""

    async def criticise(
        self,
        problem: Problem,
        history: Sequence[Turn],
        action: Action,
        observation: Observation,
        *,
        seed: int,
        position: Position,
    ) -> Critique:
        """The critique, with leaks blanked out; raises what a chat model raises."""
        ...


class ModelCritic:
    """A chat model as the critic (published: GPT-4, given the gold answer)."""

    def __init__(self, model: ChatModel, sampling: Sampling) -> None:
        self.model = model
        self.sampling = sampling
        self.name = model.name

    async def criticise(
        self,
        problem: Problem,
        history: Sequence[Turn],
        action: Action,
        observation: Observation,
        *,
        seed: int,
        position: Position,
    ) -> Critique:
        messages = critic_messages(problem, history, action, observation)
        (completion,) = await self.model.complete(messages, self.sampling, seed=seed, position=position)
        text, leaks = redact(completion.text.strip(), problem, action)
        return Critique(text=text, model=completion.model, leaks=leaks, usage=completion.usage)


def redact(text: str, problem: Problem, action: Action) -> tuple[str, int]:
    """Blank the gold answer out of a critique; returns the text and how many times it was there.

    What the actor has seen already is no leak: an answer that stands in the instruction or in the action itself is
    left alone, or every critique of `2 + 2` would be unreadable. Answers of one letter and yes/no are blanked only
    where they are stated as the answer. For code, a line of a reference solution of 20 characters or more is a leak.
    """
    known = f"{problem.instruction}\n{action.text}"
    leaks = 0
    for pattern in _leak_patterns(problem, known):
        text, found = pattern.subn(REDACTED, text)
        leaks += found
    return text, leaks


def _leak_patterns(problem: Problem, known: str) -> list[re.Pattern[str]]:
    patterns = []
    reference = problem.reference
    answer = (reference.answer or "").strip()
    if answer:
        word = rf"(?<![\w.]){re.escape(answer)}(?!\w|\.\d)"
        if reference.kind in ("choice", "boolean") or len(answer) == 1:
            # Only "the answer is B", "(B) is right": a bare "a" or "no" is an ordinary word.
            stated = rf"(?i:(?:answer|option|choice|result|is|be|should be|equals|=)\s*:?\s*)\(?{word}\)?"
            patterns.append(re.compile(stated))
        elif not re.search(word, known):
            patterns.append(re.compile(word))
    if reference.kind == "choice" and len(answer) == 1 and ord(answer.upper()) - 65 in range(len(reference.choices)):
        option = reference.choices[ord(answer.upper()) - 65]
        patterns.append(re.compile(rf"(?i:answer|correct|right)[^.\n]{{0,20}}?(?<!\w){re.escape(option)}(?!\w)"))
    for solution in reference.solutions:
        for line in {line.strip() for line in solution.splitlines()}:
            if len(line) >= 20 and line not in known:
                patterns.append(re.compile(re.escape(line)))
    return patterns

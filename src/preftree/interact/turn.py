"""One turn: an actor writes an action, the environment runs and judges it, the critic comments.

Shared by growing and by multi-turn evaluation. Every call goes through the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from preftree.interact.critic import Critic
from preftree.interact.environment import Environment
from preftree.interact.parse import parse
from preftree.interact.prompts import Guide, Turn, actor_messages, guided_hint, translate_messages
from preftree.llm.base import ChatModel, Completion, Exhausted, Message, Sampling
from preftree.llm.config import Price, Style
from preftree.problem import Problem
from preftree.runs.calls import Calls
from preftree.runs.progress import Progress
from preftree.tree import Action, Critique, Observation, Origin, Position, Schema, Usage, Verdict, seed_of


class Actor(NamedTuple):
    """A chat model in the role of an actor."""

    model: ChatModel
    sampling: Sampling = Sampling()
    style: Style = "tagged"
    price: Price | None = None


class Attempt(NamedTuple):
    """One sample: an action and what came of it."""

    action: Action
    observation: Observation

    @property
    def verdict(self) -> Verdict:
        return self.observation.grade.verdict


class Interaction:
    """Makes turns.

    Args:
        environment: runs and judges actions.
        calls: the way to every paid call.
        seed: the run's seed; each call's own seed is derived from it and from the call's position.
        progress: counters to add to.
        schemas: the reasoning schemas to draw from.
    """

    def __init__(
        self,
        environment: Environment,
        calls: Calls,
        *,
        seed: int,
        progress: Progress,
        schemas: Sequence[Schema] = ("cot", "modular"),
    ) -> None:
        self.environment = environment
        self.calls = calls
        self.seed = seed
        self.progress = progress
        self.schemas = schemas

    async def attempt(
        self,
        problem: Problem,
        history: Sequence[Turn],
        actor: Actor,
        position: Position,
        *,
        origin: Origin = "sampled",
        guide: tuple[Guide, str] | None = None,
    ) -> Attempt:
        """Sample one action and judge it.

        Args:
            problem: what is to be solved.
            history: the turns so far.
            actor: who is asked.
            position: where the sample belongs.
            origin: recorded with the action.
            guide: which part of the reference the actor is shown, and its text.

        Raises:
            Exhausted: the actor is a recording that has no more responses here.
            CallFailed, ModelError, Stopped: as the model and the journal raise them.
        """
        schema = self.schemas[seed_of(self.seed, "schema", position.key()) % len(self.schemas)]
        hint = guided_hint(*guide) if guide else None
        messages = actor_messages(problem, history, style=actor.style, schema=schema, hint=hint)
        completion = await self._complete(actor, messages, position)
        parsed = parse(completion.text, problem.task, tests=problem.reference.tests is not None)
        action = Action(
            text=parsed.flat,
            raw=completion.text if completion.text.strip() != parsed.flat else None,
            code=parsed.code,
            answer=parsed.answer,
            model=completion.model,
            origin=origin,
            reasoning_schema=schema if actor.style == "tagged" else None,
            rung=position.rung,
            slot=position.slot,
            sampling=actor.sampling.model_dump(mode="json", exclude_defaults=True),
            finish_reason=completion.finish_reason,
            usage=completion.usage,
        )
        return Attempt(action, await self._observe(problem, history, action, position))

    async def translate(self, problem: Problem, actor: Actor, position: Position) -> str | None:
        """The gold rationale as a program, or None if the actor gave none: the first half of guiding math with code."""
        messages = translate_messages(problem, problem.reference.rationale or "")
        completion = await self._complete(actor, messages, position)
        return parse(completion.text, problem.task).code

    async def criticise(
        self, critic: Critic, problem: Problem, history: Sequence[Turn], attempt: Attempt, position: Position
    ) -> Critique:
        """The critic's comment on an attempt."""

        async def make() -> Critique:
            self._start()
            try:
                return await critic.criticise(
                    problem,
                    history,
                    attempt.action,
                    attempt.observation,
                    seed=seed_of(self.seed, position.key()),
                    position=position,
                )
            finally:
                self.progress.in_flight -= 1

        critique, found = await self.calls.once(position, Critique, make, lambda _: "critic")
        assert critique is not None
        self._count(critique.usage, None, found)
        return critique

    async def _complete(self, actor: Actor, messages: Sequence[Message], position: Position) -> Completion:
        async def make() -> Completion | None:
            self._start()
            seed = seed_of(self.seed, position.key())
            try:
                return (await actor.model.complete(messages, actor.sampling, seed=seed, position=position))[0]
            except Exhausted:
                return None
            finally:
                self.progress.in_flight -= 1

        completion, found = await self.calls.once(position, Completion, make, lambda c: "model" if c else "exhausted")
        if completion is None:
            raise Exhausted(position.key())
        self._count(completion.usage, actor.price, found)
        return completion

    async def _observe(self, problem: Problem, history: Sequence[Turn], action: Action, position: Position) -> Observation:
        async def make() -> Observation:
            self.progress.executions += 1
            return await self.environment.observe(problem, history, action)

        def kind(observation: Observation | None) -> str:
            failed = observation is not None and observation.grade.verdict is Verdict.failed
            return "failed" if failed else "environment"

        place = position._replace(role=f"{position.role}/environment")
        observation, _ = await self.calls.once(place, Observation, make, kind)
        assert observation is not None
        return observation

    def _start(self) -> None:
        self.progress.in_flight += 1
        self.progress.peak = max(self.progress.peak, self.progress.in_flight)

    def _count(self, usage: Usage, price: Price | None, found: bool) -> None:
        if found:
            self.progress.replayed += 1
            return
        self.progress.calls += 1
        self.progress.prompt_tokens += usage.prompt_tokens
        self.progress.completion_tokens += usage.completion_tokens
        if price is not None:
            self.progress.priced = True
            self.progress.usd += price.cost(usage)

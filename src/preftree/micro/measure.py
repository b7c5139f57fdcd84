"""How good the micro models are, on held-out problems: `python -m preftree.micro.measure`.

Per task: the share of single samples at temperature 1 that are right, of greedy ones, of problems that one of 20
samples solves, and of wrong attempts that are put right after feedback (beside the share of new samples without it,
on the same problems).
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from preftree.interact.prompts import Turn, actor_messages
from preftree.llm.base import ChatModel, Message, Sampling
from preftree.micro import weights
from preftree.micro.conversations import act
from preftree.micro.critic import ReferenceCritic
from preftree.micro.generate import TASKS, generate
from preftree.problem import Problem, Task
from preftree.tree import Action, Critique, Observation, Verdict, seed_of

Observe = Callable[[Problem, Sequence[Turn], Action], Awaitable[Observation]]
"""Runs and judges an action: `interact.environment.Environment.observe`."""

SAMPLES = 20
"""Published: samples drawn for one right action."""


class Figures(NamedTuple):
    """Shares, from 0 to 1, over the problems of one task."""

    problems: int
    sampled: float
    """Right samples among all, at temperature 1."""
    greedy: float
    """Problems solved at temperature 0."""
    solved: float
    """Problems that at least one of the samples solves (pass@20)."""
    mistaken: int
    """Problems with a wrong sample: those that the next two shares are over."""
    corrected: float | None
    """Wrong attempts followed by a right one, after observation and critique; None if no sample was wrong."""
    again: float | None
    """On the same problems, right samples without feedback: what chance would give; None if no sample was wrong."""


async def measure(model: ChatModel, observe: Observe, task: Task, n: int, *, seed: int = 0) -> Figures:
    """Figures of a model on `n` generated problems of a task."""
    problems = list(generate(n, seed, [task]))
    found = await asyncio.gather(*(_measure_one(model, observe, p, seed) for p in problems))
    sampled = sum(right for right, _, _, _ in found) / (n * SAMPLES)
    tried = [(right / SAMPLES, corrected) for right, _, corrected, wrong in found if wrong]
    return Figures(
        problems=n,
        sampled=sampled,
        greedy=sum(greedy for _, greedy, _, _ in found) / n,
        solved=sum(right > 0 for right, _, _, _ in found) / n,
        mistaken=len(tried),
        corrected=sum(c for _, c in tried) / len(tried) if tried else None,
        again=sum(r for r, _ in tried) / len(tried) if tried else None,
    )


async def _measure_one(model: ChatModel, observe: Observe, problem: Problem, seed: int) -> tuple[int, bool, float, bool]:
    """(right samples, whether greedy is right, share of right corrections, whether a sample was wrong)."""
    hot, cold = Sampling(max_tokens=256), Sampling(temperature=0, max_tokens=256)
    first = _ask(problem, [])
    texts = [c.text for c in await model.complete(first, hot, SAMPLES, seed=seed_of(seed, problem.id))]
    greedy = (await model.complete(first, cold))[0].text
    judged = {text: await observe(problem, [], act(problem, text)) for text in dict.fromkeys([*texts, greedy])}
    rights = [_right(judged[text]) for text in texts]
    wrong = next((text for text in texts if judged[text].grade.verdict is Verdict.incorrect), None)
    if wrong is None:
        return sum(rights), _right(judged[greedy]), 0.0, False
    action = act(problem, wrong)
    critic = ReferenceCritic()
    turn = Turn(action, judged[wrong], Critique(text=critic.critique(problem, action), model=critic.name))
    seconds = await model.complete(_ask(problem, [turn]), hot, 4, seed=seed_of(seed, problem.id, "second"))
    corrected = [_right(await observe(problem, [turn], act(problem, c.text))) for c in seconds]
    return sum(rights), _right(judged[greedy]), sum(corrected) / len(corrected), True


def _ask(problem: Problem, history: Sequence[Turn]) -> list[Message]:
    return actor_messages(problem, history, style="flat", schema="cot")


def _right(observation: Observation) -> bool:
    return observation.grade.verdict is Verdict.correct


async def report(model: ChatModel, observe: Observe, n: int, *, seed: int = 0) -> None:
    """Print a line for each task."""
    print(f"{model.name:12} {'sampled':>8} {'greedy':>8} {'pass@20':>8} {'mistaken':>9} {'corrected':>10} {'again':>8}")
    for task in TASKS:
        f = await measure(model, observe, task, n, seed=seed)
        corrected, again = ("-" if share is None else f"{share:.1%}" for share in (f.corrected, f.again))
        of_all = f"{f.sampled:8.1%} {f.greedy:8.1%} {f.solved:8.1%} {f.mistaken:9}"
        print(f"{task:12} {of_all} {corrected:>10} {again:>8}", flush=True)


async def measure_shipped(n: int, *, seed: int = 0) -> None:
    """Print the figures of both shipped models, judged by the project's own sandbox and grader."""
    from preftree.grading.grader import Grader
    from preftree.interact.environment import Environment
    from preftree.llm.local import LocalChat
    from preftree.sandbox.host import ProcessSandbox

    sandbox = ProcessSandbox()
    grader = Grader(sandbox)
    environment = Environment(sandbox, grader)
    for name, folder in (("micro", weights("strong")), ("micro-weak", weights("weak"))):
        model = LocalChat(name, str(folder), device="cpu", dtype="float64", batch_size=64)
        await report(model, environment.observe, n, seed=seed)
        await model.close()
    await grader.close()
    await sandbox.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m preftree.micro.measure", description=__doc__)
    parser.add_argument("--n", type=int, default=50, help="problems a task")
    parser.add_argument("--seed", type=int, default=0, help="of the problems and of sampling")
    options = parser.parse_args()
    asyncio.run(measure_shipped(options.n, seed=options.seed))


if __name__ == "__main__":
    main()

"""One run of `grow`: the folder, the journal, the engine, and the file of trees at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from preftree.errors import ModelError
from preftree.grading.grader import Grader
from preftree.grading.match import GRADER_VERSION
from preftree.grow.config import FREE_KEYS, GrowConfig
from preftree.grow.engine import Engine
from preftree.grow.expand import Expander
from preftree.grow.ladder import Ladder
from preftree.interact import environment
from preftree.interact.critic import Critic
from preftree.interact.turn import Actor, Interaction
from preftree.problem import Problem
from preftree.runs.calls import Calls
from preftree.runs.folder import JOURNAL_FILE, RUN_FILE, locked, open_run
from preftree.runs.journal import Journal
from preftree.runs.progress import Progress
from preftree.runs.trees import TREES_FILE, write_trees
from preftree.sandbox.base import Sandbox


class Cast(NamedTuple):
    """Who plays which role."""

    actors: Sequence[Actor]
    """The cheapest first."""
    wrong: Sequence[Actor]
    """The other models."""
    critic: Critic | None


async def grow_run(
    config: GrowConfig,
    problems: Iterable[Problem],
    cast: Cast,
    sandbox: Sandbox,
    grader: Grader,
    progress: Progress,
    *,
    on_start: Callable[[Engine], None] = lambda _: None,
) -> Path:
    """Grow the trees of a run, or the rest of them; returns the file of all finished trees.

    Args:
        config: the resolved settings.
        problems: in the sources' order, the same at every continuation.
        cast: the models.
        sandbox: runs model code.
        grader: judges it.
        progress: counters for a panel.
        on_start: given the engine before it starts, so that a signal handler can stop it.

    Raises:
        PreftreeError: RunMismatch, ModelError, StorageError and their kin; everything finished is stored.
    """
    folder = config.runs / config.name
    settings = config.model_dump(mode="json", by_alias=True)
    versions = {"sandbox": sandbox.version, "environment": environment.VERSION, "grader": GRADER_VERSION}
    with locked(folder):
        continued = open_run(folder, "grow", settings, seed=config.seed, free=FREE_KEYS, versions=versions)
        journal = Journal(folder / JOURNAL_FILE)
        try:
            journal.set_meta("config", settings)
            if continued:
                journal.forget_failed()
            calls = Calls(journal)
            expander = expander_of(config, cast, environment.Environment(sandbox, grader), calls, progress)
            engine = Engine(expander, grader, calls, journal, progress, concurrency=config.concurrency)
            on_start(engine)
            await engine.run(problems)
            return write_trees(journal.trees(), folder / TREES_FILE)
        except ModelError:
            if not continued and not progress.calls:
                # No model ever answered, so there is nothing to mix with: the mended config may take the same name.
                (folder / RUN_FILE).unlink()
            raise
        finally:
            journal.close()


def expander_of(config: GrowConfig, cast: Cast, env: environment.Environment, calls: Calls, progress: Progress) -> Expander:
    """The expansion as configured."""
    interaction = Interaction(env, calls, seed=config.seed, progress=progress, schemas=config.schemas)
    ladder = Ladder(interaction, cast.actors, cast.wrong, config.ladder)
    return Expander(interaction, ladder, cast.critic, max_turns=config.max_turns, extra_pairs=config.extra_pairs)


async def replay(journal: Journal, config: GrowConfig, cast: Cast, env: environment.Environment) -> tuple[int, list[str]]:
    """Grow every finished tree again from the journal's records alone, and compare.

    Args:
        journal: of a run; only read.
        config: as the run recorded it.
        cast: only names, sampling settings and styles are used; no model is called.
        env: never used, as every observation is in the journal.

    Returns:
        How many trees came out byte for byte as they are stored, and the ids of the problems whose trees did not.

    Raises:
        PreftreeError: a record is missing.
    """
    expander = expander_of(config, cast, env, Calls(journal, replay=True), Progress())
    stored = journal.trees()
    equal = 0
    different = []
    for number, text in journal.problems():
        problem = Problem.model_validate_json(text)
        if journal.state(number, problem.id) != "tree":
            continue
        tree = await expander.grow(problem)
        journal.release(problem.id)
        if tree.model_dump_json() == next(stored):
            equal += 1
        else:
            different.append(problem.id)
    return equal, different

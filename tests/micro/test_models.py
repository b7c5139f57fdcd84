from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("transformers")

from preftree.grading.grader import Grader
from preftree.interact.environment import Environment
from preftree.interact.prompts import actor_messages
from preftree.llm.base import Sampling, as_dicts
from preftree.llm.local import LocalChat
from preftree.llm.scripted import ScriptedChat
from preftree.micro import generate, weights
from preftree.micro.conversations import act, answered
from preftree.micro.generate import TASKS, drafts
from preftree.micro.measure import measure
from preftree.micro.train import Recipe, encode, train
from preftree.sandbox.host import ProcessSandbox

NAMES: tuple[Literal["strong", "weak"], ...] = ("strong", "weak")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(weights("strong"))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ProcessSandbox]:
    made = ProcessSandbox()
    yield made
    asyncio.run(made.close())


def test_all_weights_together_have_at_most_eight_megabytes() -> None:
    files = [f for name in NAMES for f in weights(name).iterdir()]
    assert sum(f.stat().st_size for f in files) <= 8_000_000
    assert {f.suffix for f in files} <= {".safetensors", ".json", ".jinja"}


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_models_are_plain_small_mistrals(name: Literal["strong", "weak"]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(weights(name))
    assert type(model).__name__ == "MistralForCausalLM"
    assert model.num_parameters() <= 4_000_000
    tokenizer = AutoTokenizer.from_pretrained(weights(name))
    assert len(tokenizer) == model.config.vocab_size
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids("<|end|>")


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_the_tokenizer_loses_nothing(tokenizer: Any, text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False) == text


@given(st.integers(0, 10**12))
def test_every_digit_is_a_token(tokenizer: Any, number: int) -> None:
    ids = tokenizer(f"{number}", add_special_tokens=False)["input_ids"]
    assert [tokenizer.decode([i]) for i in ids] == list(str(number))


def test_the_template_only_adds_to_a_conversation(tokenizer: Any) -> None:
    for draft in drafts(40, 8):
        wrong = draft.wrong(Random(1)) or draft.wrong(Random(2))
        if wrong is None:
            continue
        history = [answered(draft.problem, wrong)]
        first = as_dicts(actor_messages(draft.problem, [], style="flat", schema="cot"))
        second = as_dicts(actor_messages(draft.problem, history, style="flat", schema="cot"))
        asked = [tokenizer.apply_chat_template(m, add_generation_prompt=True)["input_ids"] for m in (first, second)]
        told = [tokenizer.apply_chat_template(m)["input_ids"] for m in (second[:2], second)]
        assert told[0][: len(asked[0])] == asked[0]
        assert asked[1][: len(told[0])] == told[0]
        assert asked[1][: len(told[1])] == told[1]


def test_lessons_are_encoded_as_the_template_renders_them(tokenizer: Any) -> None:
    from preftree.micro.conversations import lessons

    for lesson in lessons(20, 9, feedback=0.5, mistakes={}):
        ids, start = encode(tokenizer, lesson)
        messages = [{"role": role, "content": text} for role, text in lesson.messages]
        assert ids[:start] == tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
        whole = [*messages, {"role": "assistant", "content": lesson.action}]
        assert ids == tokenizer.apply_chat_template(whole)["input_ids"]


def test_lessons_show_what_the_environment_would_say(sandbox: ProcessSandbox) -> None:
    async def go() -> int:
        grader = Grader(sandbox)
        environment = Environment(sandbox, grader)
        compared = 0
        for draft in drafts(40, 6):
            problem = draft.problem
            right = await environment.observe(problem, [], act(problem, draft.right))
            assert right.grade.verdict == "correct", problem
            for seed in range(3):
                wrong = draft.wrong(Random(seed))
                if wrong is not None:
                    turn = answered(problem, wrong)
                    observed = await environment.observe(problem, [], turn.action)
                    assert observed.grade.verdict == "incorrect", (problem, wrong)
                    assert observed.text == turn.observation.text
                    compared += 1
        await grader.close()
        return compared

    assert asyncio.run(go()) > 60


def test_the_strong_model_is_good_but_not_perfect_and_the_weak_one_is_weaker(sandbox: ProcessSandbox) -> None:
    async def rates(name: Literal["strong", "weak"]) -> list[float]:
        grader = Grader(sandbox)
        environment = Environment(sandbox, grader)
        model = LocalChat(name, str(weights(name)), device="cpu", dtype="float64", batch_size=64)

        async def one(seed: int, task: Any) -> float:
            (problem,) = generate(1, seed, [task])
            messages = actor_messages(problem, [], style="flat", schema="cot")
            found = await model.complete(messages, Sampling(max_tokens=200), 4, seed=seed)
            verdicts = [(await environment.observe(problem, [], act(problem, c.text))).grade.verdict for c in found]
            return verdicts.count("correct") / 4

        shares = [sum(await asyncio.gather(*(one(s, task) for s in range(15)))) / 15 for task in TASKS]
        await model.close()
        await grader.close()
        return shares

    strong, weak = asyncio.run(rates("strong")), asyncio.run(rates("weak"))
    # 40 % over 50 problems a task; three standard errors of these 60 problems are about 15 %.
    assert 0.25 <= sum(strong) / 4 <= 0.6
    assert min(strong) > 0.1
    assert sum(weak) < sum(strong)


def test_the_strong_model_profits_from_feedback(sandbox: ProcessSandbox) -> None:
    async def figures(task: Any) -> tuple[float, float]:
        grader = Grader(sandbox)
        model = LocalChat("micro", str(weights("strong")), device="cpu", dtype="float64", batch_size=64)
        found = await measure(model, Environment(sandbox, grader).observe, task, 10, seed=1)
        await model.close()
        await grader.close()
        return found.corrected or 0.0, found.again or 0.0

    # Far apart where mistakes are careless ones: 97 against 42 % and 66 against 27 % over 50 problems.
    for task in ("Math_PoT", "Math_CoT"):
        corrected, again = asyncio.run(figures(task))
        assert corrected > again + 0.15, task


def test_careless_lessons_are_first_attempts_only(sandbox: ProcessSandbox) -> None:
    from preftree.micro.conversations import lessons

    sloppy = list(lessons(120, 4, feedback=0.5, mistakes=dict.fromkeys(TASKS, 1.0)))
    clean = list(lessons(120, 4, feedback=0.5, mistakes={}))
    assert [lesson.messages for lesson in sloppy] == [lesson.messages for lesson in clean]
    after = [s.action == c.action for s, c in zip(sloppy, clean, strict=True) if len(s.messages) > 1]
    first = [s.action == c.action for s, c in zip(sloppy, clean, strict=True) if len(s.messages) == 1]
    assert after
    assert all(after)
    assert sum(first) < len(first) / 10


def test_training_from_nothing_makes_a_folder_that_measures(tmp_path: Path, sandbox: ProcessSandbox) -> None:
    recipe = Recipe(width=32, layers=1, heads=1, lessons=60, feedback=0.3, mistakes={"Logic": 0.2}, learning_rate=1e-3, seed=3)
    report = train(tmp_path, ["weak"], {"weak": recipe})
    assert report["weak"]["tokens"] > 5000

    async def go() -> None:
        grader = Grader(sandbox)
        model = LocalChat("untrained", str(tmp_path / "weak"), device="cpu")
        figures = await measure(model, Environment(sandbox, grader).observe, "Logic", 2)
        assert figures.problems == 2
        assert 0 <= figures.sampled <= figures.solved <= 1
        assert figures.mistaken in (0, 1, 2)
        assert (figures.corrected is None) == (figures.again is None) == (figures.mistaken == 0)
        await model.close()
        await grader.close()

    asyncio.run(go())


def test_nothing_is_said_about_corrections_where_nothing_was_wrong(sandbox: ProcessSandbox) -> None:
    right = {d.problem.instruction: d.right for d in drafts(3, 0, ["Logic"])}

    async def go() -> None:
        grader = Grader(sandbox)
        model = ScriptedChat(lambda messages, seed, position: right[messages[0].content])
        figures = await measure(model, Environment(sandbox, grader).observe, "Logic", 3)
        assert figures[1:] == (1.0, 1.0, 1.0, 0, None, None)
        await grader.close()

    asyncio.run(go())


def test_importing_micro_loads_no_torch() -> None:
    code = "import sys, preftree.micro; print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from preftree.errors import MissingExtra, ModelError
from preftree.llm.base import ChatModel, Completion, Message, Sampling
from preftree.llm.local import LocalChat
from preftree.micro.tokenizer import train_tokenizer

TEXTS = [f"The {a} cat number {b} sat on a mat, and {c} dogs ran." for a in ("old", "new") for b in range(9) for c in range(9)]
PROMPTS = ["Hi", "What is 2 + 3?", "Tell me about a cat that sat on a mat with 7 dogs.", "x = 1\ny = 2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of random weights, whose texts are nonsense, but its own."""
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model")
    tokenizer = train_tokenizer(TEXTS)
    config = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=128,
        sliding_window=None,
        initializer_range=0.3,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    MistralForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def ask(text: str) -> list[Message]:
    return [Message(role="user", content=text)]


def calls() -> list[tuple[str, Sampling, int, int]]:
    """(prompt, sampling, n, seed): lengths, temperatures and numbers mixed."""
    found = []
    for i in range(16):
        sampling = Sampling(temperature=(1.0, 0.7, 0.0, 1.3)[i % 4], top_p=(1.0, 0.9)[i % 2], max_tokens=5 + 3 * (i % 5))
        found.append((PROMPTS[i % len(PROMPTS)], sampling, 1 + i % 3, i))
    return found


def run(folder: Path, batch_size: int, order: list[int], pause: float = 0.0) -> list[list[Completion]]:
    async def go() -> list[list[Completion]]:
        model: ChatModel = LocalChat("tiny", str(folder), device="cpu", dtype="float64", batch_size=batch_size)
        todo = calls()

        async def one(i: int) -> list[Completion]:
            await asyncio.sleep(pause * order.index(i))
            prompt, sampling, n, seed = todo[i]
            return await model.complete(ask(prompt), sampling, n, seed=seed)

        try:
            found = dict(zip(order, await asyncio.gather(*(one(i) for i in order)), strict=True))
        finally:
            await model.close()
        return [found[i] for i in range(len(todo))]

    return asyncio.run(go())


def test_texts_do_not_depend_on_the_batch(folder: Path) -> None:
    order = list(range(16))
    alone = run(folder, 1, order)
    assert len({c.text for group in alone for c in group}) > 20
    assert run(folder, 64, order) == alone
    assert run(folder, 5, order[::-1]) == alone
    assert run(folder, 7, order, pause=0.003) == alone


def test_greedy_is_what_transformers_generates(folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).double()

    async def go() -> list[str]:
        chat = LocalChat("tiny", str(folder), device="cpu", dtype="float64")
        sampling = Sampling(temperature=0, max_tokens=12)
        found = await asyncio.gather(*(chat.complete(ask(p), sampling) for p in PROMPTS))
        await chat.close()
        return [c.text for (c,) in found]

    wanted = []
    for prompt in PROMPTS:
        messages = [{"role": "user", "content": prompt}]
        inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        ids = model.generate(**inputs, do_sample=False, max_new_tokens=12)[0, inputs["input_ids"].shape[1] :]
        wanted.append(tokenizer.decode(ids, skip_special_tokens=True))
    assert asyncio.run(go()) == wanted


def test_samples_follow_the_models_distribution(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).double()
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    logits = model(**ids).logits[0, -1].detach()
    probabilities = torch.softmax(logits / 0.8, -1)
    likeliest = int(probabilities.argmax())

    async def go() -> list[Completion]:
        chat = LocalChat("tiny", str(folder), device="cpu", dtype="float64", batch_size=256)
        found = await chat.complete(ask("Hi"), Sampling(temperature=0.8, max_tokens=1), 2000, seed=3)
        await chat.close()
        return found

    found = asyncio.run(go())
    share = sum(c.text == tokenizer.decode([likeliest]) for c in found) / len(found)
    assert share == pytest.approx(float(probabilities[likeliest]), abs=0.04)
    assert {c.usage.prompt_tokens for c in found[1:]} == {0}
    assert found[0].usage.prompt_tokens == ids["input_ids"].shape[1]


def test_nucleus_sampling_stays_in_the_nucleus(folder: Path) -> None:
    async def go(top_p: float) -> set[str]:
        chat = LocalChat("tiny", str(folder), device="cpu", dtype="float64")
        found = await chat.complete(ask("Hi"), Sampling(top_p=top_p, max_tokens=1), 100, seed=1)
        await chat.close()
        return {c.text for c in found}

    assert len(asyncio.run(go(1e-6))) == 1
    assert len(asyncio.run(go(0.5))) < len(asyncio.run(go(1.0)))


def test_stops_and_lengths_and_requests(folder: Path) -> None:
    async def go() -> tuple[Completion, Completion, list[Completion], list[Completion]]:
        chat = LocalChat("tiny", str(folder), device="cpu", dtype="float64")
        (free,) = await chat.complete(ask("Hi"), Sampling(max_tokens=20), seed=5)
        stop = free.text[4:6]
        (cut,) = await chat.complete(ask("Hi"), Sampling(max_tokens=20, stop=("never there", stop)), seed=5)
        full = await chat.complete(ask("word " * 300), Sampling(max_tokens=20), 2, seed=5)
        long = await chat.complete(ask("Hi"), Sampling(max_tokens=5000), 1, seed=5)
        await chat.close()
        return free, cut, full, long

    free, cut, full, long = asyncio.run(go())
    assert (free.finish_reason, free.usage.completion_tokens) == ("length", 20)
    assert cut.finish_reason == "stop"
    assert cut.text == free.text[: free.text.index(free.text[4:6])]
    assert [(c.text, c.finish_reason) for c in full] == [("", "length")] * 2
    assert long[0].usage.prompt_tokens + long[0].usage.completion_tokens <= 128
    assert free.request["prompt"] == "<|bos|><|user|>Hi<|end|><|assistant|>"
    assert free.request["seed"] == 5
    assert free.model == "tiny"


def test_it_works_from_one_event_loop_after_another_and_not_after_closing(folder: Path) -> None:
    chat = LocalChat("tiny", str(folder), device="cpu")
    sampling = Sampling(max_tokens=4)
    first = asyncio.run(chat.complete(ask("Hi"), sampling, seed=1))
    assert asyncio.run(chat.complete(ask("Hi"), sampling, seed=1)) == first
    asyncio.run(chat.close())
    asyncio.run(chat.close())
    with pytest.raises(ModelError, match="closed"):
        asyncio.run(chat.complete(ask("Hi"), sampling))


def test_a_cancelled_call_leaves_the_others_alone(folder: Path) -> None:
    async def go() -> list[Completion]:
        chat = LocalChat("tiny", str(folder), device="cpu", dtype="float64", batch_size=2)
        gone = asyncio.create_task(chat.complete(ask("Hi"), Sampling(max_tokens=100), 8, seed=1))
        stays = asyncio.create_task(chat.complete(ask("Hi"), Sampling(max_tokens=6), seed=2))
        await asyncio.sleep(0.02)
        gone.cancel()
        found = await stays
        await chat.close()
        return found

    assert len(asyncio.run(go())) == 1


def test_a_model_that_breaks_while_it_writes_is_told_to_every_caller_and_not_for_ever(folder: Path) -> None:
    async def go() -> None:
        chat = LocalChat("tiny", str(folder), device="cpu")
        good, chat._model.forward = chat._model.forward, None
        sampling = Sampling(max_tokens=3)
        found = await asyncio.gather(*(chat.complete(ask("Hi"), sampling, 2) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(e, ModelError) for e in found)
        chat._model.forward = good
        assert len(await chat.complete(ask("Hi"), sampling, 2)) == 2
        await chat.close()

    asyncio.run(go())


def test_what_is_no_model_is_said_in_four_parts(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as missing:
        LocalChat("ghost", str(tmp_path / "nowhere"))
    assert missing.value.where == "ghost"
    assert missing.value.why
    assert missing.value.hint
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="no usable model"):
        LocalChat("empty", str(tmp_path))
    with pytest.raises(ModelError, match="cannot run on"):
        LocalChat("tiny", str(folder), device="nonsense")


def test_a_model_without_a_chat_template_is_refused(folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare)
    (bare / "chat_template.jinja").unlink(missing_ok=True)
    config = json.loads((bare / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (bare / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="no chat template"):
        LocalChat("bare", str(bare), device="cpu")


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match="A local model"):
        LocalChat("tiny", "anywhere")

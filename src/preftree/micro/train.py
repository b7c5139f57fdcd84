"""Trains the two micro models from nothing: `python -m preftree.micro.train --out DIR`.

Mistral's architecture, a million parameters or fewer, generated problems of the training side of the split. Loss only
on the last action of each conversation and its end mark.

First attempts in the lessons are careless at a set rate, and actions after feedback never are. A model that learns from them
is wrong about as often when it first tries, although it could do better, and makes good use of being told what was wrong.

The shipped models are one run of their recipes: 13.0 million tokens in 24 minutes for `strong`, 2.9 million in 3 minutes for
`weak`, on one core each.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Literal

from pydantic import Field

from preftree.config import Config
from preftree.errors import MissingExtra
from preftree.micro.conversations import Lesson, lessons
from preftree.micro.tokenizer import BOS, END, train_tokenizer
from preftree.problem import Task

Name = Literal["strong", "weak"]


class Recipe(Config):
    """How one of the models is made. All values are ours, chosen by measurement on held-out problems."""

    width: int = Field(gt=0)
    """The model's hidden size."""
    layers: int = Field(gt=0)
    """The number of transformer blocks."""
    heads: int = Field(gt=0)
    """The number of attention heads."""
    lessons: int = Field(gt=0)
    """The number of conversations seen, each once."""
    feedback: float = Field(ge=0, le=1)
    """The share of conversations with wrong turns before the action."""
    mistakes: dict[Task, float] = {}
    """By task, the share of first attempts in the lessons that are wrong ones."""
    learning_rate: float = Field(gt=0)
    """The peak; warmed up over 5 % of the steps, then a cosine to a tenth."""
    batch_tokens: int = Field(default=1024, gt=0)
    """The tokens of one batch, padding included; its conversations are of like length."""
    batches: int = Field(default=3, gt=0)
    """The batches of one optimiser step, so that it sees several kinds of problems."""
    seed: int = 0
    """The seed of the problems, of their order and of the first weights."""


# Ours, by measurement: with these the tasks are about equally hard at temperature 1. Logic is hard enough by itself.
_CARELESS: dict[Task, float] = {"Math_PoT": 0.75, "Math_CoT": 0.6, "Coding": 0.35}
_CARELESS_WEAK: dict[Task, float] = {"Math_PoT": 0.5, "Coding": 0.4, "Math_CoT": 0.4, "Logic": 0.4}

RECIPES: dict[Name, Recipe] = {
    "strong": Recipe(
        width=128, layers=4, heads=4, lessons=90_000, feedback=0.35, mistakes=_CARELESS, learning_rate=2e-3, seed=1
    ),
    "weak": Recipe(
        width=96, layers=3, heads=3, lessons=24_000, feedback=0.2, mistakes=_CARELESS_WEAK, learning_rate=3e-3, seed=2
    ),
}

Sample = tuple[list[int], int]
"""Token ids of a conversation, and where its action starts."""


def train(
    out: Path,
    names: Sequence[Name] = ("strong", "weak"),
    recipes: dict[Name, Recipe] | None = None,
    *,
    start: Path | None = None,
) -> dict[str, Any]:
    """Train and save the models into `out/<name>`, with their tokenizer; returns minutes, tokens and losses by name.

    With `start`, training goes on from the models in `start/<name>`.

    Raises:
        MissingExtra: torch or transformers is not installed.
    """
    try:
        import torch
        from transformers import AutoTokenizer
        from transformers.utils import logging
    except ImportError as e:
        raise MissingExtra.of("Training the micro models", "train") from e
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.manual_seed(0)
    tokenizer = train_tokenizer(_texts()) if start is None else AutoTokenizer.from_pretrained(start / names[0])
    report: dict[str, Any] = {}
    for name in names:
        recipe = (recipes or RECIPES)[name]
        started = time.monotonic()
        model, figures = _fit(recipe, tokenizer, start and start / name)
        folder = out / name
        # A server that is asked for a temperature above zero samples only if the model's own settings say so.
        model.generation_config.do_sample = True
        model.to(torch.bfloat16).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        report[name] = {**figures, "minutes": round((time.monotonic() - started) / 60, 1)}
    return report


def _texts() -> Iterator[str]:
    for lesson in lessons(6000, 0, feedback=0.5, mistakes={}):
        yield from (text for _, text in lesson.messages)
        yield lesson.action


def encode(tokenizer: Any, lesson: Lesson) -> Sample:
    """A conversation as the chat template renders it, and the index of the first token to be learnt."""
    prompt = BOS + "".join(f"<|{role}|>{text}{END}" for role, text in lesson.messages) + "<|assistant|>"
    before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    return before + tokenizer(lesson.action + END, add_special_tokens=False)["input_ids"], len(before)


def _batches(recipe: Recipe, tokenizer: Any) -> Iterator[list[Sample]]:
    """All conversations once, those of like length together, so that little is padding."""
    rng = Random(recipe.seed)
    source = lessons(recipe.lessons, recipe.seed, feedback=recipe.feedback, mistakes=recipe.mistakes)
    block = 4096
    samples: list[Sample] = []
    for index, lesson in enumerate(source, 1):
        samples.append(encode(tokenizer, lesson))
        if index % block and index < recipe.lessons:
            continue
        samples.sort(key=lambda s: len(s[0]))
        batches: list[list[Sample]] = [[]]
        for sample in samples:
            if batches[-1] and (len(batches[-1]) + 1) * len(sample[0]) > recipe.batch_tokens:
                batches.append([])
            batches[-1].append(sample)
        rng.shuffle(batches)
        yield from batches
        samples = []


def _fit(recipe: Recipe, tokenizer: Any, start: Path | None) -> tuple[Any, dict[str, Any]]:
    import torch

    model = _build(recipe, tokenizer) if start is None else _load(start)
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    tokens, done, loss, average = 0, 0, 0.0, 0.0
    started = time.monotonic()
    for number, batch in enumerate(_batches(recipe, tokenizer), 1):
        share = done / recipe.lessons
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(share)
        part = _loss(model, batch, tokenizer.pad_token_id)
        (part / recipe.batches).backward()
        loss += part.item() / recipe.batches
        done += len(batch)
        tokens += sum(len(ids) for ids, _ in batch)
        if number % recipe.batches and done < recipe.lessons:
            continue
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        average, loss = (0.98 * average + 0.02 * loss if average else loss), 0.0
        if number % (100 * recipe.batches) == 0:
            seconds = time.monotonic() - started
            print(f"{share:4.0%}  loss {average:.3f}  {tokens / seconds:.0f} tokens/s  {seconds / 60:.1f} min", flush=True)
    size = sum(p.numel() for p in model.parameters())
    return model, {"parameters": size, "tokens": int(tokens), "loss": round(average, 4)}


def _build(recipe: Recipe, tokenizer: Any) -> Any:
    """A model with random weights."""
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(recipe.seed)
    return MistralForCausalLM(
        MistralConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.width,
            intermediate_size=3 * recipe.width,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            max_position_embeddings=2048,
            sliding_window=None,
            tie_word_embeddings=True,
            initializer_range=0.04,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _load(folder: Path) -> Any:
    import torch
    from transformers import MistralForCausalLM

    return MistralForCausalLM.from_pretrained(folder, dtype=torch.float32).train()


def _schedule(share: float) -> float:
    """The learning rate's part of its peak after `share` of the training."""
    from math import cos, pi

    return max(share, 0.002) / 0.05 if share < 0.05 else 0.1 + 0.45 * (1 + cos(pi * (share - 0.05) / 0.95))


def _loss(model: Any, batch: Sequence[Sample], pad: int) -> Any:
    """Mean cross-entropy of the actions' tokens. Padding stands on the right, where causal attention never looks."""
    import torch

    width = max(len(ids) for ids, _ in batch)
    ids = torch.full((len(batch), width), pad)
    learnt = torch.zeros((len(batch), width), dtype=torch.bool)
    for row, (sample, start) in enumerate(batch):
        ids[row, : len(sample)] = torch.tensor(sample)
        learnt[row, start : len(sample)] = True
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    learnt = learnt[:, 1:]
    logits = model.lm_head(hidden[learnt])
    return torch.nn.functional.cross_entropy(logits, ids[:, 1:][learnt])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m preftree.micro.train", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder that gets strong/ and weak/")
    parser.add_argument("--only", choices=["strong", "weak"], help="train one of the two")
    parser.add_argument("--start", type=Path, help="a folder of models to go on from, instead of from nothing")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="threads that torch uses")
    options = parser.parse_args()
    try:
        import torch
    except ImportError as e:
        raise SystemExit(str(MissingExtra.of("Training the micro models", "train"))) from e
    torch.set_num_threads(options.threads)
    names: Sequence[Name] = [options.only] if options.only else ("strong", "weak")
    print(json.dumps(train(options.out, names, start=options.start), indent=2))


if __name__ == "__main__":
    main()

"""A local Hugging Face model as a ChatModel: concurrent calls share batches, yet each text depends on its call alone.

One worker thread decodes. Every prompt is read on its own; then up to `batch_size` rows go on together, padded on the
left, each with its own generator. Finished rows leave at once, waiting calls take their places.

Not covered: models without a plain key-value cache (state-space models), images, tools. In float32 the last bits of a
matrix product differ with the batch's shape, which may turn a sampled token in rare cases; in float64 they differ by so
little that in practice none does: small models can afford it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import queue
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from preftree.errors import MissingExtra, ModelError
from preftree.llm.base import Completion, Message, Sampling, as_dicts
from preftree.tree import Position, Usage, seed_of

SMALL = 50_000_000
"""Parameters below which a model decodes with one thread on a CPU; ours: measured with models of 1 and 15 million."""

REMEMBERED_TOKENS = 1 << 15
"""Tokens of prompts whose keys and values are kept for the next call; ours: a quarter of a gigabyte for the micro model."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt."""

DType = Literal["auto", "float64", "float32", "bfloat16", "float16"]


@dataclass
class _Row:
    """One completion in the making."""

    call: _Call
    number: int
    random: Random
    ids: list[int] = field(default_factory=list)
    length: int = 0
    """Tokens in the cache that are its own: the prompt's, and those written but the last."""
    done: bool = False
    """Whether its text is handed over; it stays in the batch until dropping it is worth the copy."""


@dataclass
class _Call:
    """One `complete` call: its prompt, and where its completions go."""

    prompt: list[int]
    sampling: Sampling
    rows: list[_Row]
    limit: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[list[tuple[str, str, int]]]
    done: dict[int, tuple[str, str, int]] = field(default_factory=dict)


class LocalChat:
    """A causal language model of a folder or of the Hugging Face hub.

    Args:
        name: what the model is called.
        path: a folder, or a name on the hub.
        device: where it runs, as torch names it (`cpu`, `cuda`, `cuda:1`); `auto` is CUDA if there is one.
        dtype: the numbers it computes with, `auto` for the checkpoint's own; float64 makes texts independent of the
            batch (for small models).
        batch_size: how many completions are written at a time.

    Raises:
        MissingExtra: torch or transformers is not installed.
        ModelError: there is no model at `path`, it cannot be loaded, or it has no chat template.
    """

    def __init__(self, name: str, path: str, *, device: str = "auto", dtype: DType = "float32", batch_size: int = 32) -> None:
        self.name = name
        self._batch_size = batch_size
        self._tokenizer, self._model, self._ends = _load(name, path, device, dtype)
        self._context = int(getattr(self._model.config, "max_position_embeddings", 0) or 1 << 20)
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"decode {name}", daemon=True)
        self._thread.start()

    async def complete(
        self, messages: Sequence[Message], sampling: Sampling, n: int = 1, *, seed: int = 0, position: Position | None = None
    ) -> list[Completion]:
        """`n` completions; see `ChatModel.complete`. A prompt that fills the model's context gets empty ones (`length`).

        Raises:
            ModelError: the chat template refuses the messages, or the model fails or was closed.
        """
        del position
        if self._closed:
            raise ModelError(f"The model {self.name} was closed.", hint="make a new LocalChat")
        try:
            prompt = str(self._tokenizer.apply_chat_template(as_dicts(messages), tokenize=False, add_generation_prompt=True))
        except Exception as e:  # templates are programs of the model's authors and raise what they like
            raise ModelError(
                f"The chat template of {self.name} refuses the conversation.",
                where=self.name,
                why=str(e),
                hint="use a model whose template takes system, user and assistant turns",
            ) from e
        ids: list[int] = self._tokenizer(prompt, add_special_tokens=False)["input_ids"]
        limit = min(sampling.max_tokens, self._context - len(ids))
        loop = asyncio.get_running_loop()
        call = _Call(ids, sampling, [], limit, loop, loop.create_future())
        call.rows = [_Row(call, i, Random(seed_of(seed, "sample", i))) for i in range(n)]
        if limit > 0 and n > 0:
            self._calls.put(call)
            texts = await call.future
        else:
            texts = [("", "length", 0)] * n
        request = {"prompt": prompt, "seed": seed, **sampling.model_dump(mode="json")}
        return [
            Completion(
                text=text,
                finish_reason=reason,
                usage=Usage(prompt_tokens=0 if i else len(ids), completion_tokens=tokens),
                model=self.name,
                request=request,
            )
            for i, (text, reason, tokens) in enumerate(texts)
        ]

    async def close(self) -> None:
        """End the worker thread, after the calls that are under way."""
        if not self._closed:
            self._closed = True
            self._calls.put(None)
            await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        """The worker thread: takes calls, decodes, answers."""
        _limit_threads(self._model)
        batch = _Batch(self._model)
        waiting: list[_Row] = []
        open_ = True
        while open_ or waiting or batch.rows:
            idle = not waiting and not batch.rows
            while open_:
                try:
                    call = self._calls.get(block=idle)
                except queue.Empty:
                    break
                idle = False
                if call is None:
                    open_ = False
                else:
                    waiting += call.rows
            if not waiting and not batch.rows:
                continue
            try:
                self._step(batch, waiting)
            except Exception as e:  # whatever the model raises belongs to the calls that wait for it, not to this thread
                self._fail([*batch.rows, *waiting], e)
                batch, waiting = _Batch(self._model), []

    def _step(self, batch: _Batch, waiting: list[_Row]) -> None:
        """Take rows in, if a good part of the batch is free; then write one token of every row."""
        import torch

        room = self._batch_size - sum(not row.done for row in batch.rows)
        with torch.inference_mode():
            if waiting and (not batch.rows or room >= max(1, self._batch_size // 4)):
                logits = batch.join(waiting[:room])
                del waiting[:room]  # only now: rows that fail to join are still among those to be told
            else:
                logits = batch.forward()
            for row, token in zip(batch.rows, _choose(logits, batch.rows), strict=True):
                if not row.done:
                    row.ids.append(token)
        for row in batch.rows:
            row.done = row.done or self._finish(row)
        batch.drop_done()

    def _finish(self, row: _Row) -> bool:
        """Whether the row is done; its text is handed over if so. A row that nobody waits for any more is done too."""
        if row.call.future.cancelled():
            return True
        stops = row.call.sampling.stop
        if row.ids[-1] in self._ends:
            text, reason = self._decode(row.ids[:-1]), "stop"
        else:
            reason = "length" if len(row.ids) >= row.call.limit else ""
            text = self._decode(row.ids) if reason or stops else ""
        cut = min((at for stop in stops if (at := text.find(stop)) >= 0), default=-1)
        if cut >= 0:
            text, reason = text[:cut], "stop"
        if not reason:
            return False
        call = row.call
        call.done[row.number] = (text, reason, len(row.ids))
        if len(call.done) == len(call.rows):
            _post(call, result=[call.done[i] for i in range(len(call.rows))])
        return True

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _fail(self, rows: Sequence[_Row], error: Exception) -> None:
        told = ModelError(
            f"The model {self.name} failed while it wrote.",
            where=self.name,
            why=f"{type(error).__name__}: {error}",
            hint="lower batch_size if memory is short; otherwise check the model with transformers itself",
        )
        told.__cause__ = error
        for call in {id(row.call): row.call for row in rows}.values():
            _post(call, error=told)


class _Batch:
    """Rows that are decoded together, and their keys and values: padding, then each row's own tokens, flush right."""

    def __init__(self, model: Any) -> None:
        self.rows: list[_Row] = []
        self._model = model
        self._prompts = _Prompts(model)
        self._cache: Any = None
        """Per layer, keys and values of shape (rows, heads, width, head size)."""

    def join(self, rows: Sequence[_Row]) -> Any:
        """Read the prompts of new rows (each distinct call once), and the last token of the old; logits of all rows."""
        import torch

        self.drop_done(at_least=1)
        logits = [self.forward()] if self.rows else []
        parts = [_layers(self._cache)] if self.rows else []
        start = 0
        while start < len(rows):
            call = rows[start].call
            end = start
            while end < len(rows) and rows[end].call is call:
                end += 1
            layers, last = self._prompts.read(call.prompt)
            count = end - start
            parts.append([(_repeat(keys, count), _repeat(values, count)) for keys, values in layers])
            logits.append(last.expand(count, -1))
            for row in rows[start:end]:
                row.length = len(call.prompt)
            start = end
        self.rows += rows
        self._cache = _new_cache(_stack(parts))
        return torch.cat(logits)

    def forward(self) -> Any:
        """Read the last token of every row; its logits, of shape (rows, vocabulary)."""
        import torch

        device = self._model.device
        lengths = torch.tensor([row.length for row in self.rows], device=device)
        width = self._cache.get_seq_length()
        mask = (torch.arange(width + 1, device=device) >= (width - lengths)[:, None]).long()
        result = self._model(
            input_ids=torch.tensor([[row.ids[-1]] for row in self.rows], device=device),
            attention_mask=mask,
            position_ids=lengths[:, None],
            past_key_values=self._cache,
            use_cache=True,
        )
        for row in self.rows:
            row.length += 1
        return result.logits[:, -1]

    def drop_done(self, at_least: int | None = None) -> None:
        """Drop rows that are done, and the padding that no row needs any more, once a quarter of the rows (or `at_least`
        so many) are done: it copies the whole cache, which costs more than to decode a few rows in vain."""
        import torch

        kept = [i for i, row in enumerate(self.rows) if not row.done]
        if len(self.rows) - len(kept) < (at_least or max(1, len(self.rows) // 4)):
            return
        self.rows = [self.rows[i] for i in kept]
        if not kept:
            self._cache = None
            return
        width = max(row.length for row in self.rows)
        index = torch.tensor(kept, device=self._model.device)
        self._cache = _new_cache([(k[index, :, -width:], v[index, :, -width:]) for k, v in _layers(self._cache)])


class _Prompts:
    """Reads prompts, and remembers what it read: the samples of one turn have one prompt, and the next turn's begins
    with it. Only for small models: the keys and values of a large one fill the memory."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._room = REMEMBERED_TOKENS if model.num_parameters() < SMALL else 0
        self._read: OrderedDict[tuple[int, ...], tuple[list[tuple[Any, Any]], Any]] = OrderedDict()
        self._tokens = 0

    def read(self, prompt: list[int]) -> tuple[list[tuple[Any, Any]], Any]:
        """Keys and values of a prompt, per layer (1, heads, tokens, head size), and its last logits (1, vocabulary)."""
        import torch

        key = tuple(prompt)
        if key in self._read:
            self._read.move_to_end(key)
            return self._read[key]
        known = max((k for k in self._read if len(k) < len(key) and key[: len(k)] == k), key=len, default=())
        cache = _new_cache(self._read[known][0] if known else ())
        read = torch.tensor([prompt[len(known) :]], device=self._model.device)
        result = self._model(input_ids=read, past_key_values=cache, use_cache=True, logits_to_keep=1)
        found = (_layers(cache), result.logits[:, -1])
        if len(key) <= self._room:
            self._read[key] = found
            self._tokens += len(key)
            while self._tokens > self._room:
                self._tokens -= len(self._read.popitem(last=False)[0])
        return found


def _new_cache(layers: Sequence[tuple[Any, Any]] = ()) -> Any:
    """A cache with room to grow: transformers' own copies all keys and values for every token."""
    from transformers.cache_utils import Cache

    cache = Cache(layer_class_to_replicate=_roomy_layer())
    for index, (keys, values) in enumerate(layers):
        cache.update(keys, values, index)
    return cache


def _layers(cache: Any) -> list[tuple[Any, Any]]:
    return [(layer.keys, layer.values) for layer in cache.layers]


@functools.cache
def _roomy_layer() -> Any:
    from transformers.cache_utils import DynamicLayer

    class RoomyLayer(DynamicLayer):  # type: ignore[misc]
        """Keys and values in tensors with spare columns at the end, written in place."""

        keys: Any
        values: Any
        _room: tuple[Any, Any] | None = None

        def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
            old = self.get_seq_length()
            new = old + key_states.shape[-2]
            if self._room is None or self._room[0].shape[-2] < new:
                shape = (*key_states.shape[:-2], new + max(32, new // 4), key_states.shape[-1])
                self._room = (key_states.new_empty(shape), value_states.new_empty(shape))
                if old:
                    self._room[0][..., :old, :] = self.keys
                    self._room[1][..., :old, :] = self.values
            assert self._room is not None
            self._room[0][..., old:new, :] = key_states
            self._room[1][..., old:new, :] = value_states
            self.keys, self.values = (tensor[..., :new, :] for tensor in self._room)
            return self.keys, self.values

    return RoomyLayer


def _limit_threads(model: Any) -> None:
    """One thread for a small model on a CPU: beside any other work, two share out its tiny products up to 15 times slower."""
    import torch

    if model.device.type == "cpu" and model.num_parameters() < SMALL:
        torch.set_num_threads(1)
        _keep_memory()


def _keep_memory() -> None:
    """Let glibc keep freed tensors instead of handing them back: a fifth of the time went into page faults."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(_M_TRIM_THRESHOLD, 1 << 30)


def _repeat(tensor: Any, count: int) -> Any:
    return tensor.expand(count, -1, -1, -1)


def _stack(parts: Sequence[Sequence[tuple[Any, Any]]]) -> list[tuple[Any, Any]]:
    """The caches of several groups of rows as one, the shorter ones padded on the left with zeros."""
    import torch

    width = max(part[0][0].shape[2] for part in parts)

    def wide(tensor: Any) -> Any:
        return torch.nn.functional.pad(tensor, (0, 0, width - tensor.shape[2], 0))

    return [
        (torch.cat([wide(part[i][0]) for part in parts]), torch.cat([wide(part[i][1]) for part in parts]))
        for i in range(len(parts[0]))
    ]


def _choose(logits: Any, rows: Sequence[_Row]) -> list[int]:
    """The next token of every row: the likeliest at temperature 0, else by inversion of one random number of its own."""
    import torch

    logits = logits.double()
    greedy: list[int] = logits.argmax(-1).tolist()
    if all(row.call.sampling.temperature == 0 for row in rows):
        return greedy
    device = logits.device
    heat = [row.call.sampling.temperature or 1.0 for row in rows]
    probabilities = torch.softmax(logits / torch.tensor(heat, device=device, dtype=torch.double)[:, None], -1)
    tops = [row.call.sampling.top_p for row in rows]
    if min(tops) < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
        nucleus = ordered.cumsum(-1) - ordered < torch.tensor(tops, device=device, dtype=torch.double)[:, None]
        probabilities = torch.zeros_like(probabilities).scatter(-1, order, ordered * nucleus)
    sums = probabilities.cumsum(-1)
    drawn = torch.tensor([[row.random.random()] for row in rows], device=device, dtype=torch.double) * sums[:, -1:]
    tokens = torch.searchsorted(sums, drawn, right=True).clamp(max=logits.shape[-1] - 1)[:, 0].tolist()
    return [g if row.call.sampling.temperature == 0 else t for row, g, t in zip(rows, greedy, tokens, strict=True)]


def _post(call: _Call, *, result: list[tuple[str, str, int]] | None = None, error: Exception | None = None) -> None:
    """Settle a call's future in its own event loop; a caller that is gone is nobody to tell."""

    def settle() -> None:
        if call.future.done():
            return
        if error is not None:
            call.future.set_exception(error)
        else:
            call.future.set_result(result or [])

    try:
        call.loop.call_soon_threadsafe(settle)
    except RuntimeError:
        return


def _load(name: str, path: str, device: str, dtype: DType) -> tuple[Any, Any, set[int]]:
    """The tokenizer, the model and the ids that end a turn."""
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging
    except ImportError as e:
        raise MissingExtra.of("A local model", "train") from e
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    place = device if device != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as e:  # torch asserts that it was built with CUDA
        why = str(e).strip().splitlines()[0]
        raise ModelError(f"The model {name} cannot run on {place}.", where=name, why=why, hint="set device: auto") from e
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
        model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype if dtype == "auto" else getattr(torch, dtype))
    except Exception as e:  # transformers raises many kinds here: OSError, ValueError, KeyError, safetensors' own
        raise ModelError(
            f"There is no usable model at {path}.",
            where=name,
            why=f"{type(e).__name__}: {str(e).strip().splitlines()[0] if str(e).strip() else 'no detail'}",
            hint="give a folder with config.json, weights and a tokenizer, or the name of a causal model on the hub",
        ) from e
    if not tokenizer.chat_template:
        raise ModelError(
            f"The model {name} has no chat template.",
            where=path,
            why="its tokenizer does not say how a conversation is written",
            hint="use an instruction-tuned model, or put a chat_template.jinja into its folder",
        )
    ends = model.generation_config.eos_token_id
    ids = set(ends if isinstance(ends, list) else [] if ends is None else [ends])
    if tokenizer.eos_token_id is not None:
        ids.add(tokenizer.eos_token_id)
    return tokenizer, model.to(place).eval(), ids

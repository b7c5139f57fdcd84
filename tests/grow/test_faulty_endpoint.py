"""An endpoint that fails in every way: the trees of a healthy one in the end, and nothing failed in any pair."""

from __future__ import annotations

import asyncio
import http.server
import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.grow.worlds import config_for, grow_sums, sums

from preftree.grow.run import Cast
from preftree.interact.critic import ModelCritic
from preftree.interact.turn import Actor
from preftree.llm.base import Sampling
from preftree.llm.config import OpenAIConfig
from preftree.llm.openai import OpenAIChat
from preftree.runs.trees import read_trees

N = 12
FAULTS = ("500", "hang", "malformed", "empty", "no choices", "reset")


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Adds, right or wrong by the request's seed; a share of the requests fails."""

    protocol_version = "HTTP/1.1"
    faults: ClassVar[random.Random] = random.Random(3)
    share: ClassVar[float] = 0.0
    seen: ClassVar[set[str]] = set()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fault = self.faults.choice(FAULTS) if self.faults.random() < self.share else ""
        self.seen.add(fault)
        if fault == "500":
            self.send(500, b"overloaded")
        elif fault == "hang":
            time.sleep(2.5)
            self.close_connection = True
        elif fault == "malformed":
            self.send(200, b'{"choices": [{"mess')
        elif fault == "no choices":
            self.send(200, b'{"choices": []}')
        elif fault == "reset":
            self.close_connection = True
        else:
            self.send(200, json.dumps(self.answer(body, empty=fault == "empty")).encode())

    def answer(self, body: dict[str, Any], *, empty: bool) -> dict[str, Any]:
        talk = [m["content"] for m in body["messages"]]
        if "attempt to comment on" in talk[-1]:
            text = "Step 1 is wrong."
        else:
            words = talk[1].split("?")[0].split()
            right = random.Random(body["seed"]).random() < 0.5
            text = f"Answer: {int(words[-3]) + int(words[-1]) + (not right)}"
        message = {"role": "assistant", "content": "" if empty else text}
        return {"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}

    def send(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def base_url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


async def grow(folder: Path, base_url: str, timeout_s: float) -> tuple[bytes, dict[str, int]]:
    endpoint = OpenAIConfig(base_url=base_url, model="m", api_key_env=None, timeout_s=timeout_s, retries=0)
    chat = OpenAIChat("m", endpoint)
    try:
        cast = Cast([Actor(chat)], [Actor(chat)], ModelCritic(chat, Sampling()))
        path, progress = await grow_sums(config_for(folder, ladder={"samples": 6, "wrong_samples": 4}), sums(N), cast)
        return path.read_bytes(), dict(progress.owed)
    finally:
        await chat.close()


def test_faults_cost_time_and_nothing_else(tmp_path: Path, base_url: str) -> None:
    Endpoint.share, Endpoint.seen = 0.0, set()
    healthy, owed = asyncio.run(grow(tmp_path / "healthy", base_url, 60))
    assert owed == {}
    Endpoint.share = 0.15
    rounds, kinds = 0, set[str]()
    while True:
        faulty, owed = asyncio.run(grow(tmp_path / "faulty", base_url, 1.5))
        for tree in read_trees(tmp_path / "faulty" / "t"):
            for _, chosen, rejected in tree.pairs():
                assert {n.observation.grade.verdict.value for n in (chosen, rejected)} == {"correct", "incorrect"}
            assert all(node.observation.grade.verdict != "failed" for node in tree.nodes)
        rounds += 1
        kinds |= set(owed)
        assert rounds < 60
        if not owed:
            break
    assert rounds > 1
    assert {"", "500"} < Endpoint.seen
    assert {"http 500", "malformed"} <= kinds
    assert faulty == healthy

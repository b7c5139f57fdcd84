"""Run folders: continued only under the same config, by one process at a time, and never half written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from preftree.errors import InputError, RunMismatch, StorageError
from preftree.runs.folder import RUN_FILE, continue_command, locked, open_run, run_info, write_atomically

CONFIG: dict[str, Any] = {
    "name": "t",
    "concurrency": 8,
    "ladder": {"samples": 20, "wave": 1},
    "models": {"a": {"model": "m", "retries": 5, "sampling": {"temperature": 1.0}}},
    "wrong": ["b", "c"],
    "critic": None,
}
FREE = frozenset({"name", "concurrency", "ladder.wave", "models.*.retries"})


def start(folder: Path, config: dict[str, Any] = CONFIG, verb: str = "grow") -> bool:
    return open_run(folder, verb, config, seed=3, free=FREE, versions={"sandbox": "s1"})


def test_a_new_run_is_described(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "t"
    assert start(folder) is False
    info = run_info(folder)
    assert (info["verb"], info["seed"], info["config"]) == ("grow", 3, CONFIG)
    assert {"preftree", "python", "sandbox"} <= info["versions"].keys()
    assert info["argv"][1:] == sys.argv[1:]
    assert [p.name for p in folder.iterdir()] == [RUN_FILE]


def test_the_same_config_continues_and_leaves_the_record_alone(tmp_path: Path) -> None:
    start(tmp_path)
    before = (tmp_path / RUN_FILE).read_bytes()
    free = {
        **CONFIG,
        "concurrency": 99,
        "name": "u",
        "ladder": {"samples": 20, "wave": 4},
        "models": {"a": {"model": "m", "retries": 1, "sampling": {"temperature": 1.0}}},
    }
    for config in (CONFIG, free, dict(reversed(CONFIG.items()))):
        assert start(tmp_path, config) is True
    assert (tmp_path / RUN_FILE).read_bytes() == before


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ladder": {"samples": 5, "wave": 1}}, "ladder.samples: 20 is now 5"),
        ({"models": {"a": {**CONFIG["models"]["a"], "model": "n"}}}, "models.a.model: 'm' is now 'n'"),
        (
            {"models": {"a": {**CONFIG["models"]["a"], "sampling": {"temperature": 0.5}}}},
            "models.a.sampling.temperature: 1.0 is now 0.5",
        ),
        ({"models": {}}, "models.a: {'model': 'm'"),
        ({"wrong": ["c", "b"]}, "wrong: ['b', 'c'] is now ['c', 'b']"),
        ({"critic": "a"}, "critic: None is now 'a'"),
        ({"extra": 1}, "extra: None is now 1"),
    ],
)
def test_another_config_is_refused_with_the_changed_keys(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    folder = tmp_path / "my run"
    start(folder)
    with pytest.raises(RunMismatch) as caught:
        start(folder, {**CONFIG, **change, "concurrency": 9})
    assert caught.value.why.startswith(f"changed: {why}")
    assert "concurrency" not in caught.value.why
    assert "--name 'my run-2'" in caught.value.hint or "--name my run-2" in caught.value.hint
    assert f"rm -r '{folder}'" in caught.value.hint


def test_every_changed_key_and_another_verb_are_named(tmp_path: Path) -> None:
    start(tmp_path)
    with pytest.raises(RunMismatch) as caught:
        start(tmp_path, {**CONFIG, "critic": "a", "wrong": []}, verb="evaluate")
    for part in ("verb: grow is now evaluate", "critic: ", "wrong: "):
        assert part in caught.value.why


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not the folder of a run"):
        run_info(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        start(tmp_path / "file" / "run")
    with pytest.raises(StorageError, match="cannot be made"), locked(tmp_path / "file" / "run"):
        pass


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    write_atomically(path, "old")

    def no_space(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    monkeypatch.undo()
    write_atomically(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


HOLD = """
import sys, time
from pathlib import Path
from preftree.runs.folder import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="Another process"), locked(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with locked(tmp_path):
            pass
        with locked(tmp_path):
            pass
    finally:
        holder.kill()
        holder.communicate()


def test_the_command_to_type_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/preftree", "grow", "my file.yaml", "--seed", "1"])
    assert continue_command() == "preftree grow 'my file.yaml' --seed 1"
    monkeypatch.setattr(sys, "argv", ["/x/preftree/__main__.py", "grow"])
    assert continue_command() == "python -m preftree grow"

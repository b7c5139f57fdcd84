"""A small world that runs anywhere: problems with exact answers, a critic, and two tiny models trained on them.

The defaults of `preftree grow` without an endpoint. Nothing is scripted: the models write, the sandbox runs, the
grader judges. Importing this loads no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from preftree.micro.critic import ReferenceCritic
from preftree.micro.generate import generate

__all__ = ["ReferenceCritic", "generate", "weights"]


def weights(name: Literal["strong", "weak"]) -> Path:
    """The folder of a shipped model, as `transformers` loads it: `strong` is `micro`, `weak` is `micro-weak`."""
    return Path(__file__).parent / "weights" / name

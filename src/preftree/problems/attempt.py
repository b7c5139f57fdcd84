"""What a recorded model did on a problem, and what was said of it then."""

from __future__ import annotations

from typing import NamedTuple

from preftree.llm.recorded import RecordedResponse


class Attempt(NamedTuple):
    """One recorded response and the published verdict on it."""

    response: RecordedResponse
    """As a recorded chat model gives it."""
    correct: bool | None
    """Whether it was judged right when it was recorded; None if it was not judged."""

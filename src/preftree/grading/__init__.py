"""From what an actor wrote to a verdict: extract an answer, compare it, run tests."""

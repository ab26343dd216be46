"""Trials and runs made by hand, for tests of what becomes of them."""

from __future__ import annotations

from agent.model import Completion
from evals.trials import AttemptRecord, Trial


def completion(
    text: str = "{}", *, ttft: float | None = 0.1, latency: float = 1.0, prompt: int = 100, answer: int = 20
) -> Completion:
    """A completion; times in seconds."""
    return Completion(prompt, answer, None, ttft, latency, "stop", text)


def attempt(*, valid: bool, ttft: float | None = 0.1, latency: float = 1.0) -> AttemptRecord:
    """A recorded attempt."""
    failure, rung = (None, "schema-valid") if valid else ("not JSON: the answer is empty", "answered")
    return AttemptRecord(completion(ttft=ttft, latency=latency), failure, rung, json_in_fence=False)


def trial(*valid: bool, task: str = "a", stack: str = "naive", epoch: int = 1, fault: str | None = None) -> Trial:
    """A trial with one attempt for every outcome given."""
    return Trial(epoch, task, stack, 7, None, None, tuple(attempt(valid=outcome) for outcome in valid), fault)

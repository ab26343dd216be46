"""Trials and runs made by hand, for tests of what becomes of them."""

from __future__ import annotations

from agent.model import Completion
from evals.fingerprint import Fingerprint
from evals.ladder import Outcome
from evals.run import Header, ServedTarget
from evals.schedule import Regime
from evals.settings import Settings
from evals.trials import AttemptRecord, Fault, Trial

VALID = Outcome("code parses", "py", declared="py")
CUT_OFF = Outcome("answered", "py", "truncated", "the answer was cut off after 20 tokens; write a shorter file")
EMPTY = Outcome("nothing", "py", "other", "not JSON: the answer is empty")
TIMEOUT = Fault("ModelTimeoutError", "silent", 0.5)


def completion(
    text: str = "{}", *, ttft: float | None = 0.1, latency: float = 1.0, prompt: int = 100, answer: int = 20
) -> Completion:
    """A completion; times in seconds."""
    return Completion(prompt, answer, None, ttft, latency, "stop", text, first_token=ttft)


def attempt(*, valid: bool, ttft: float | None = 0.1, latency: float = 1.0, answer: int = 20) -> AttemptRecord:
    """A recorded attempt."""
    return AttemptRecord(completion(ttft=ttft, latency=latency, answer=answer), VALID if valid else EMPTY, "warm", ())


def trial(
    *valid: bool, task: str = "a", stack: str = "naive", epoch: int = 1, regime: Regime = "warm", fault: Fault | None = None
) -> Trial:
    """A trial with one attempt for every outcome given, or one that a fault ended."""
    attempts = () if fault else tuple(attempt(valid=outcome) for outcome in valid)
    faults = (fault,) if fault else ()
    return Trial(epoch, task, stack, regime, 7, "2026-01-01T00:00:00.000+00:00", attempts=attempts, faults=faults)


def settings(
    *tasks: str, stacks: tuple[str, ...] = ("naive",), epochs: int = 1, regimes: tuple[Regime, ...] = ("warm",), seed: int = 0
) -> Settings:
    """What a run was asked for."""
    return Settings("embedded", None, None, stacks, tasks or ("a",), epochs, seed, regimes)


def header(asked: Settings | None = None) -> Header:
    """The header of a run."""
    target = ServedTarget("embedded", "m", "s", None, "")
    marks = Fingerprint({"model": {"name": "m"}}, {"cores": 2}, {"commit": None})
    return Header("20260101-000000-abcdef01", asked or settings(), target, marks)

"""Trials and runs made by hand, for tests of what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, median
from typing import Any

from agent.model import Completion
from evals.fingerprint import Fingerprint
from evals.ladder import Outcome
from evals.metrics import METRICS, durations
from evals.pair import arm_run_id
from evals.recording import entry_name
from evals.run import Header, Run, ServedTarget
from evals.runs import saved_part
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


def saved_file(run: Run) -> dict[str, Any]:
    """A run as its saved file holds it, with the entries of pytest-benchmark that belong to it."""
    entries = [
        {"name": entry_name(series, metric), "stats": _stats(seconds)}
        for series in run.settings.series
        for metric in METRICS
        if (seconds := durations(run.of_series(series), metric))
    ]
    whole: dict[str, Any] = json.loads(json.dumps({"benchmarks": entries, "machine_info": {}, "evals": saved_part(run, {})}))
    return whole


def _stats(seconds: list[float]) -> dict[str, Any]:
    measures = {"min": min(seconds), "max": max(seconds), "mean": fmean(seconds), "median": median(seconds)}
    return measures | {"data": seconds}


def header(asked: Settings | None = None, name: str = "20260101-000000-abcdef01") -> Header:
    """The header of a run."""
    target = ServedTarget("embedded", "m", "s", None, "")
    empty: dict[str, Any] = {name: {} for name in ("server", "sampling", "stacks", "prompts", "tasks")}
    marks = Fingerprint({"model": {"name": "m"}} | empty, {"cores": 2}, {"commit": None})
    return Header(name, asked or settings(), target, marks)


def run_of(
    valid: Mapping[str, Sequence[bool]], name: str = "head", *, stack: str = "naive", sequential: bool = False, seed: int = 0
) -> Run:
    """A complete run of one stack, in which every epoch of every task was valid or not."""
    epochs = len(next(iter(valid.values())))
    asked = replace(settings(*valid, stacks=(stack,), epochs=epochs), sequential=sequential, seed=seed)
    trials = [
        trial(outcome, task=task, stack=stack, epoch=epoch)
        for task, outcomes in valid.items()
        for epoch, outcome in enumerate(outcomes, 1)
    ]
    return Run(header(asked, name), tuple(trials), {})


def in_one_session(base: Run, head: Run) -> tuple[Run, Run]:
    """Both runs as the arms of one A/B session."""
    settings = replace(head.settings, ab="0" * 40)
    named = replace(base.header, run=arm_run_id(head.header.run, "base"), settings=settings)
    return replace(base, header=named), replace(head, header=replace(head.header, settings=settings))

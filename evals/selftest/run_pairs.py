"""Pairs of runs for tests of what is made of two: by hand, and by hypothesis, with every kind of gap that a run may have."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hypothesis import strategies as st

from evals.ladder import Outcome
from evals.run import Run
from evals.schedule import Regime, TrialKey
from evals.selftest.factories import CUT_OFF, EMPTY, TIMEOUT, VALID, completion, header, settings
from evals.trials import AttemptRecord, Trial

SYNTAX = Outcome("schema-valid", "py", "syntax", "the code is no py: line 1: it does not parse", "py")
FENCED = Outcome("answered", "py", "code fence", "not JSON: the answer is in a code fence")
STRICT = Outcome("strict JSON", "py", "missing key", "there is no key 'code'")
OUTCOMES = (VALID, SYNTAX, STRICT, FENCED, CUT_OFF, EMPTY)
BASE, HEAD = "20260101-000000-aaaaaaaa", "20260102-000000-bbbbbbbb"


def record(
    outcome: Outcome, *, ttft: float | None = 0.1, latency: float = 1.0, prompt: int = 100, answer: int = 20, cache: Regime = "warm"
) -> AttemptRecord:
    """A recorded attempt; times in seconds."""
    return AttemptRecord(completion(ttft=ttft, latency=latency, prompt=prompt, answer=answer), outcome, cache, ())


def answered(
    *outcomes: Outcome,
    task: str = "a",
    epoch: int = 1,
    stack: str = "naive",
    ttft: float = 0.1,
    latency: float = 1.0,
    prompt: int = 100,
) -> Trial:
    """A trial with one attempt for every outcome."""
    attempts = tuple(record(outcome, ttft=ttft, latency=latency, prompt=prompt) for outcome in outcomes)
    return Trial(epoch, task, stack, "warm", 7, "2026-01-01T00:00:00.000+00:00", attempts=attempts)


def run_of(*trials: Trial, name: str = BASE, stopped: int | None = None) -> Run:
    """The complete run that consists of these trials."""
    tasks, stacks = (tuple(dict.fromkeys(names)) for names in zip(*((one.task, one.stack) for one in trials), strict=True))
    asked = settings(*tasks, stacks=stacks, epochs=max(one.epoch for one in trials))
    asked = replace(asked, sequential=stopped is not None)
    return Run(replace(header(asked), run=name), trials, {}, stopped=stopped)


def outcomes_run(outcomes: Mapping[str, Sequence[Outcome]], name: str = BASE) -> Run:
    """The run of one stack with one trial for every outcome, by task."""
    return run_of(
        *(answered(outcome, task=task, epoch=epoch) for task, tried in outcomes.items() for epoch, outcome in enumerate(tried, 1)),
        name=name,
    )


_SECONDS = st.floats(0.001, 10)


@st.composite
def _attempts(draw: st.DrawFn) -> tuple[AttemptRecord, ...]:
    def drawn() -> AttemptRecord:
        ttft, decode = draw(st.one_of(st.none(), _SECONDS)), draw(_SECONDS)
        prompt, answer = draw(st.integers(1, 5_000)), draw(st.integers(0, 1_000))
        outcome, cache = draw(st.sampled_from(OUTCOMES)), draw(st.sampled_from(("warm", "warm", "cold")))
        return record(outcome, ttft=ttft, latency=(ttft or 0.0) + decode, prompt=prompt, answer=answer, cache=cache)  # type: ignore[arg-type]

    return tuple(drawn() for _ in range(draw(st.integers(1, 2))))


@st.composite
def _trials(draw: st.DrawFn, key: TrialKey) -> Trial:
    epoch, task, stack, regime = key
    retrieval = draw(_SECONDS) if stack == "optimized" else None
    return Trial(epoch, task, stack, regime, 7, "2026-01-01T00:00:00.000+00:00", None, retrieval, draw(_attempts()))


@st.composite
def any_runs(draw: st.DrawFn, name: str = BASE) -> Run:
    """Runs of some tasks, stacks and epochs, with trials that are missing or that a fault ended; some were stopped early."""
    tasks = draw(st.lists(st.sampled_from("abcdef"), min_size=1, unique=True))
    stacks = draw(st.lists(st.sampled_from(("naive", "optimized")), min_size=1, unique=True))
    epochs, stopped = draw(st.integers(1, 3)), draw(st.one_of(st.none(), st.integers(1, len(tasks))))
    asked = replace(settings(*tasks, stacks=tuple(stacks), epochs=epochs), sequential=stopped is not None)
    whole = Run(replace(header(asked), run=name), (), {}, stopped=stopped)
    keys: list[TrialKey] = [(*key, "warm") for key in itertools.product(range(1, epochs + 1), whole.measured_tasks, stacks)]
    fates = {key: draw(st.sampled_from(("answer",) * 6 + ("missing", "fault"))) for key in keys}
    trials = tuple(_faulted(draw(_trials(key)), fate) for key, fate in fates.items() if fate != "missing")
    return replace(whole, trials=trials, missing=tuple(key for key, fate in fates.items() if fate == "missing"))


@st.composite
def full_pairs(draw: st.DrawFn) -> tuple[Run, Run]:
    """Two complete runs of the same tasks and epochs."""
    tasks, epochs = draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True)), draw(st.integers(1, 3))
    keys: list[TrialKey] = [(epoch, task, "optimized", "warm") for epoch in range(1, epochs + 1) for task in tasks]
    base, head = (run_of(*(draw(_trials(key)) for key in keys), name=name) for name in (BASE, HEAD))
    return base, head


def any_pairs() -> st.SearchStrategy[tuple[Run, Run]]:
    """Two runs that need not have anything in common."""
    return st.tuples(any_runs(BASE), any_runs(HEAD))


def _faulted(trial: Trial, fate: str) -> Trial:
    return replace(trial, attempts=(), retrieval_seconds=None, faults=(TIMEOUT,)) if fate == "fault" else trial

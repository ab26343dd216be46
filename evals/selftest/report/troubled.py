"""Runs in which something went wrong, so that a figure which takes in what it must leave out is another one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from agent.model import Completion
from evals.ladder import Outcome
from evals.run import Run
from evals.selftest.factories import EMPTY, TIMEOUT
from evals.trials import AttemptRecord, Trial

ANNOTATED, BARE = "def slug(text: str) -> str:", "def slug(text):"
"""The function of a sample run's answer in Python, and the same as the preference python-annotations does not want it."""


def troubled(run: Run) -> Run:
    """The run with a fault, a trial whose times do not count, an answer of nothing and one without a count of cached tokens in each
    of its series. Of its answers in Python, those of odd epochs violate a preference.
    """
    seen: Counter[str] = Counter()
    trials = []
    for trial in run.trials:
        series = str(trial.series)
        trials.append(_TROUBLES.get(seen[series], _unannotated)(trial))
        seen[series] += 1
    return replace(run, trials=tuple(trials))


def _faulted(trial: Trial) -> Trial:
    return replace(trial, attempts=(), facts=None, retrieval_seconds=None, faults=(TIMEOUT,))


def _untimed(trial: Trial) -> Trial:
    """Ten times as slow, after a fault. In the cold regime nothing can be known about a cache, so there its times count."""
    attempts = tuple(replace(one, cache="cold", completion=_slower(one)) for one in trial.attempts)
    return replace(trial, attempts=attempts, faults=(TIMEOUT,)) if trial.regime == "warm" else trial


def _slower(attempt: AttemptRecord) -> Completion:
    once = attempt.completion
    return replace(once, ttft=10 * (once.ttft or 0.0), latency=10 * once.latency, first_token=10 * (once.first_token or 0.0))


def _silent(trial: Trial) -> Trial:
    """The first attempt gave nothing at all, not even a time to its first token."""
    first, *others = trial.attempts
    nothing = replace(first.completion, completion_tokens=0, ttft=None, first_token=None, text="")
    outcome: Outcome = replace(EMPTY, language=first.outcome.language)
    return replace(trial, attempts=(replace(first, completion=nothing, outcome=outcome), *others))


def _uncounted(trial: Trial) -> Trial:
    first, *others = trial.attempts
    return replace(trial, attempts=(replace(first, completion=replace(first.completion, cached_tokens=None)), *others))


def _unannotated(trial: Trial) -> Trial:
    bare = tuple(
        replace(one, completion=replace(one.completion, text=one.completion.text.replace(ANNOTATED, BARE)))
        for one in trial.attempts
    )
    return replace(trial, attempts=bare) if trial.epoch % 2 else trial


_TROUBLES: dict[int, Callable[[Trial], Trial]] = {2: _faulted, 5: _untimed, 8: _silent, 11: _uncounted}
"""What happens to which trial of a series."""

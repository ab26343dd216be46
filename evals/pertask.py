"""Single tasks in two runs, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from evals.flips import Tally, tally
from evals.metrics import durations, prompt_tokens
from evals.trials import Trial, by_task


@dataclass(frozen=True, slots=True)
class TaskFigures:
    """What one run made of a task in one series: schema-valid and parsing epochs after the retry, the median of the prompt tokens
    of first attempts, and median times in seconds (``None`` where no time counts).
    """

    valid: Tally
    parses: Tally
    prompt_tokens: float
    ttft: float | None
    latency: float | None


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task in both runs; ``None`` for the one that has no answer to it."""

    task: str
    base: TaskFigures | None
    head: TaskFigures | None


def task_rows(base: Sequence[Trial], head: Sequence[Trial]) -> tuple[TaskRow, ...]:
    """Every task that at least one side has an answer to, from one series' trials without a fault, sorted by its name."""
    before, now = by_task(base), by_task(head)
    return tuple(TaskRow(task, _figures(before.get(task, [])), _figures(now.get(task, []))) for task in sorted({*before, *now}))


def _figures(trials: Sequence[Trial]) -> TaskFigures | None:
    if not trials:
        return None
    return TaskFigures(
        valid=tally(trials, "schema-valid"),
        parses=tally(trials, "code parses"),
        prompt_tokens=float(median(prompt_tokens(trials))),
        ttft=_median(durations(trials, "ttft")),
        latency=_median(durations(trials, "latency")),
    )


def _median(seconds: Sequence[float]) -> float | None:
    return median(seconds) if seconds else None

"""The summary that a person reads at the end of a live run."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evals.distribution import percentile
from evals.live import LiveRun
from evals.recording import durations
from evals.trials import Trial

if TYPE_CHECKING:
    from rich.console import RenderableType

_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what it is, its value for one stack's trials (``None`` when there is none), and how it is shown."""

    title: str
    value: Callable[[Sequence[Trial]], float | None]
    show: Callable[[float], str]
    has_ratio: bool = True


def _percentile_of(metric: Callable[[Sequence[Trial]], Sequence[float]], share: float) -> Callable[[Sequence[Trial]], float | None]:
    def value(trials: Sequence[Trial]) -> float | None:
        values = metric(trials)
        return percentile(values, share) if values else None

    return value


def _mean(of: Callable[[Trial], float]) -> Callable[[Sequence[Trial]], float | None]:
    return lambda trials: sum(map(of, trials)) / len(trials) if trials else None


def _tokens_per_valid(trials: Sequence[Trial]) -> float | None:
    valid = sum(trial.valid for trial in trials)
    return sum(trial.total_tokens for trial in trials) / valid if valid else None


def cached_tokens(trials: Sequence[Trial]) -> list[int]:
    """Prompt tokens of first attempts that the server took from its prefix cache, where it reports them."""
    reported = [trial.attempts[0].completion.cached_tokens for trial in trials]
    return [tokens for tokens in reported if tokens is not None]


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _share(share: float) -> str:
    return f"{share:.0%}"


ROWS = (
    Row("trials (n)", lambda trials: float(len(trials)), _count, has_ratio=False),
    Row("prompt tokens, median", _percentile_of(lambda trials: [trial.prompt_tokens for trial in trials], 0.5), _count),
    Row("of them cached, median", _percentile_of(cached_tokens, 0.5), _count, has_ratio=False),
    Row("TTFT p50", _percentile_of(lambda trials: durations(trials, "ttft"), 0.5), _milliseconds),
    Row("TTFT p95", _percentile_of(lambda trials: durations(trials, "ttft"), 0.95), _milliseconds),
    Row("latency p50", _percentile_of(lambda trials: durations(trials, "latency"), 0.5), _milliseconds),
    Row("latency p95", _percentile_of(lambda trials: durations(trials, "latency"), 0.95), _milliseconds),
    Row("valid at first try", _mean(lambda trial: trial.valid_first), _share),
    Row("valid after retry", _mean(lambda trial: trial.valid), _share),
    Row("tokens per valid answer", _tokens_per_valid, _count),
)


def summary_lines(run: LiveRun, width: int) -> list[str]:
    """The whole summary as plain lines of at most ``width`` characters where the terminal allows it."""
    from rich.console import Console

    text = io.StringIO()
    Console(file=text, width=width, color_system=None).print(_table(run))
    table = [line.rstrip() for line in text.getvalue().splitlines()]
    return [f"target: {run.target}", "", *table, "", *summary_notes(run)]


def _table(run: LiveRun) -> RenderableType:
    """The stacks side by side, with the ratio of every later stack to the first."""
    from rich.table import Table

    stacks = run.settings.stacks
    trials = [run.of_stack(stack) for stack in stacks]
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for stack in stacks:
        table.add_column(stack, justify="right")
    for stack in stacks[1:]:
        table.add_column(f"{stack} / {stacks[0]}", justify="right")
    for row in ROWS:
        values = [row.value(measured) for measured in trials]
        ratios = [_ratio(value, values[0]) if row.has_ratio else "" for value in values[1:]]
        table.add_row(row.title, *(_NOTHING if value is None else row.show(value) for value in values), *ratios)
    return table


def summary_notes(run: LiveRun) -> list[str]:
    """What must be said beside the table: what the shares amount to, what is missing, what the numbers do not say."""
    notes = [] if run.missing else [_verdict_line(run, stack) for stack in run.settings.stacks]
    if run.missing:
        notes.append(f"PARTIAL: {len(run.missing)} of {len(run.planned)} planned trials were not run; nothing here is judged.")
    if run.faults:
        notes.append(f"{len(run.faults)} trial(s) met an infrastructure fault and are in no figure above.")
    if run.target.context_length is None:
        notes.append("The server does not report its context length, so it is unknown whether it dropped the oldest turns.")
    if run.target.disclaimer:
        notes.append(run.target.disclaimer)
    return notes


def _verdict_line(run: LiveRun, stack: str) -> str:
    judgement = run.judgement(stack)
    return f"{stack}: {judgement.verdict}, {judgement.sentence}"


def _ratio(value: float | None, reference: float | None) -> str:
    return f"{value / reference:.2f}" if value is not None and reference else _NOTHING

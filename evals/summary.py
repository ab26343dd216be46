"""The summary that a person reads at the end of a live run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agent.errors import CAUSES, Cause
from evals.distribution import percentile
from evals.floors import Judgement
from evals.grid import Block, Grid
from evals.ladder import Outcome
from evals.latency import LatencySplit, split_latency
from evals.metrics import (
    Metric,
    cached_tokens,
    decode_speeds,
    durations,
    prompt_tokens,
    seconds_per_valid_answer,
    tokens_per_valid_answer,
)
from evals.obeyed import obeys
from evals.run import Run
from evals.schedule import Regime, Series
from evals.studies import GROWTH
from evals.study_text import study_blocks
from evals.trials import Trial

_NOTHING = "-"
MOST_SIDE_BY_SIDE = 2
"""More stacks than these are lines of the table instead of columns."""

MOST_VERDICTS = 4
WIDE = 160
"""Characters that shares and costs of a stack need in one line."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what it is, its value for one stack's trials (``None`` when there is none), and how it is shown.

    ``short`` is the title of its column where the stacks are lines; without one it has none there.
    """

    title: str
    value: Callable[[Sequence[Trial]], float | None]
    show: Callable[[float], str]
    has_ratio: bool = True
    short: str = ""


def _percentile_of(metric: Callable[[Sequence[Trial]], Sequence[float]], share: float) -> Callable[[Sequence[Trial]], float | None]:
    def value(trials: Sequence[Trial]) -> float | None:
        values = metric(trials)
        return percentile(values, share) if values else None

    return value


def _time(metric: Metric, share: float) -> Callable[[Sequence[Trial]], float | None]:
    return _percentile_of(lambda trials: durations(trials, metric), share)


def _share_of(holds: Callable[[Trial], bool]) -> Callable[[Sequence[Trial]], float | None]:
    return lambda trials: sum(map(holds, trials)) / len(trials) if trials else None


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _share(share: float) -> str:
    return f"{share:.0%}"


def _seconds(seconds: float) -> str:
    return f"{seconds:,.2f} s" if seconds >= 1 else _milliseconds(seconds)


def _fine_milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"


ROWS = (
    Row("trials (n)", lambda trials: float(len(trials)), _count, has_ratio=False, short="n"),
    Row("prompt tokens, median", _percentile_of(prompt_tokens, 0.5), _count, short="prompt tokens"),
    Row("of them cached, median", _percentile_of(cached_tokens, 0.5), _count, has_ratio=False, short="cached"),
    Row("TTFT p50", _time("ttft", 0.5), _milliseconds, short="TTFT p50"),
    Row("TTFT p95", _time("ttft", 0.95), _milliseconds),
    Row("decode tokens/s p50", _percentile_of(decode_speeds, 0.5), _count),
    Row("latency p50", _time("latency", 0.5), _milliseconds, short="latency p50"),
    Row("latency p95", _time("latency", 0.95), _milliseconds),
    Row("memory look-up p50", _time("retrieval", 0.5), _fine_milliseconds, has_ratio=False),
    Row(
        "strict JSON at first try", _share_of(lambda trial: trial.first.outcome.reached("strict JSON")), _share, short="strict JSON"
    ),
    Row("valid at first try", _share_of(lambda trial: trial.first.valid), _share, short="valid, 1st"),
    Row("valid after retry", _share_of(lambda trial: trial.last.valid), _share, short="valid"),
    Row("code parses after retry", _share_of(lambda trial: trial.last.parses), _share, short="parses"),
    Row("obeys every preference", _share_of(obeys), _share, short="obeys"),
    Row("seconds per valid answer", seconds_per_valid_answer, _seconds),
    Row("tokens per valid answer", tokens_per_valid_answer, _count, short="tokens per valid"),
)


def summary_blocks(run: Run, judgements: Mapping[Series, Judgement], width: int, *, resume_command: str) -> list[Block]:
    """The summary; ``width`` chooses the layout of what is wide, and ``resume_command`` is what goes on with an incomplete run."""
    regimes = () if run.settings.study == GROWTH else run.settings.regimes
    by_regime = [block for regime in regimes for block in ("", *regime_blocks(run, regime, width))]
    studies = [block for study in study_blocks(run, width) for block in ("", *study)]
    verdicts = [] if run.missing else _verdicts(judgements)
    return [f"target: {run.header.target}", *by_regime, *studies, "", *verdicts, *summary_notes(run, resume_command)]


def _verdicts(judgements: Mapping[Series, Judgement]) -> list[str]:
    """A line for every series; where there are many, those that are not judged share one."""
    if len(judgements) <= MOST_VERDICTS:
        return [f"{series}: {judged.verdict}, {judged.sentence}" for series, judged in judgements.items()]
    without = sum(judged.verdict == "NOT JUDGED" for judged in judgements.values())
    lines = [
        f"{series}: {judged.verdict}, {judged.sentence}" for series, judged in judgements.items() if judged.verdict != "NOT JUDGED"
    ]
    return [*lines, f"{without} {'other ' if lines else ''}series are NOT JUDGED"] if without else lines


def regime_blocks(run: Run, regime: Regime, width: int) -> list[Block]:
    """The stacks in one regime: side by side where they are two, otherwise a line each."""
    if len(run.settings.stacks) > MOST_SIDE_BY_SIDE:
        return [*_stack_grids(run, regime, width), *_cause_lines(run, regime)]
    causes = causes_grid(run, regime)
    why: list[Block] = ["", causes] if causes.rows else []
    return [_figures(run, regime), *latency_lines(run, regime), *why]


def _stack_grids(run: Run, regime: Regime, width: int) -> list[Block]:
    """Many stacks, a line each: shares and costs side by side, or one below the other where that is too wide."""
    rows = [row for row in ROWS if row.short]
    if width >= WIDE:
        return [_stack_grid(run, regime, rows)]
    shares, costs = ([row for row in rows if (row.show is _share) is shown] for shown in (True, False))
    return [_stack_grid(run, regime, shares), "", _stack_grid(run, regime, costs)]


def _stack_grid(run: Run, regime: Regime, rows: Sequence[Row]) -> Grid:
    cells = [
        (stack, *(_NOTHING if (value := row.value(trials)) is None else row.show(value) for row in rows))
        for stack in run.settings.stacks
        for trials in [run.of_series(Series(stack, regime))]
    ]
    return Grid((f"{regime} prefix cache", *(row.short for row in rows)), tuple(cells))


def _cause_lines(run: Run, regime: Regime) -> list[str]:
    """What kept answers of all stacks together from the next rung; which stack's they are is in the saved run."""
    trials = [trial for stack in run.settings.stacks for trial in run.of_series(Series(stack, regime))]
    counts = {title: (_count_of(holds, trials, 0), _count_of(holds, trials, -1)) for title, holds in _CAUSES.items()}
    shown = ", ".join(f"{title} {first} > {last}" for title, (first, last) in counts.items() if first or last)
    return [f"causes in all stacks, first try > after retry: {shown}"] if shown else []


def _figures(run: Run, regime: Regime) -> Grid:
    """The stacks side by side in one regime, with the ratio of every later stack to the first."""
    first, *others = run.settings.stacks
    trials = [run.of_series(Series(stack, regime)) for stack in run.settings.stacks]
    columns = (f"{regime} prefix cache", first, *others, *(f"{stack} / {first}" for stack in others))
    return Grid(columns, tuple(_cells(row, trials) for row in ROWS))


def _cells(row: Row, trials: Sequence[Sequence[Trial]]) -> tuple[str, ...]:
    values = [row.value(measured) for measured in trials]
    ratios = [_ratio(value, values[0]) if row.has_ratio else "" for value in values[1:]]
    return row.title, *(_NOTHING if value is None else row.show(value) for value in values), *ratios


def latency_lines(run: Run, regime: Regime) -> list[str]:
    """For every later stack, why its latency differs from the first one's."""
    first, *others = run.settings.stacks
    reference = run.of_series(Series(first, regime))
    lines = [(stack, split_latency(reference, run.of_series(Series(stack, regime)))) for stack in others]
    return [_latency_line(first, stack, split) for stack, split in lines if split is not None]


def _latency_line(first: str, stack: str, split: LatencySplit) -> str:
    parts = {
        "prefill": split.prefill,
        "output length": split.output_length,
        "decode speed": split.decode_speed,
        "retry": split.retry,
    }
    shown = ", ".join(f"{name} {seconds * 1000:+,.1f}" for name, seconds in parts.items())
    return f"latency of {stack} - {first}, mean: {split.total * 1000:+,.1f} ms = {shown}"


def causes_grid(run: Run, regime: Regime) -> Grid:
    """What kept answers from the next rung: how many at the first try, and how many after the retry; empty without any."""
    trials = [run.of_series(Series(stack, regime)) for stack in run.settings.stacks]
    counts = {
        title: [(_count_of(holds, measured, 0), _count_of(holds, measured, -1)) for measured in trials]
        for title, holds in _CAUSES.items()
    }
    rows = [(title, *(f"{first} > {last}" for first, last in found)) for title, found in counts.items() if any(map(any, found))]
    return Grid(("causes, first try > after retry", *run.settings.stacks), tuple(rows))


def _has_cause(cause: Cause) -> Callable[[Outcome], bool]:
    return lambda outcome: outcome.cause == cause and not (cause == "other" and outcome.mismatch)


_CAUSES: dict[str, Callable[[Outcome], bool]] = {cause: _has_cause(cause) for cause in CAUSES}
_CAUSES["other: not the language asked for"] = lambda outcome: outcome.cause == "other" and outcome.mismatch


def _count_of(holds: Callable[[Outcome], bool], trials: Sequence[Trial], attempt: int) -> int:
    return sum(holds(trial.attempts[attempt].outcome) for trial in trials)


def summary_notes(run: Run, resume_command: str) -> list[str]:
    """What must be said beside the tables: what is missing, and what the numbers do not say."""
    notes = []
    if run.stopped is not None:
        notes.append(f"Stopped after {run.stopped} of {len(run.settings.tasks)} tasks, since the verdict was settled.")
    if run.flaw:
        notes.append(
            f"INCOMPLETE: of {len(run.missing) + len(run.trials)} planned trials {len(run.missing)} were not run and"
            f" {len(run.faulted)} met an infrastructure fault; nothing here is judged. Next: {resume_command}"
        )
    if again := sum(bool(trial.faults) and trial.fault is None for trial in run.trials):
        notes.append(f"{again} trial(s) have an answer only after an infrastructure fault.")
    if untimed := sum(trial.fault is None and not trial.timed for trial in run.trials):
        notes.append(
            f"{untimed} trial(s) are in no time above: their first call came after a fault, so nobody knows what was cached."
        )
    if cut := sum(trial.cut_off for trial in run.trials):
        tokens = run.settings.sampling.max_tokens
        notes.append(f"{cut} answer(s) were cut off at {tokens} tokens, no fault of the prompt. Next: a larger --max-tokens")
    if ignored := sum(trial.decoding_ignored for trial in run.trials):
        notes.append(
            f"{ignored} answer(s) were not held to the decoding asked for: the server does not honour it; no fault of the model."
        )
    if run.header.target.context_length is None:
        notes.append("The server does not report its context length; that it drops no turn was seen from its token counts alone.")
    return [*notes, run.header.target.disclaimer] if run.header.target.disclaimer else notes


def _ratio(value: float | None, reference: float | None) -> str:
    return f"{value / reference:.2f}" if value is not None and reference else _NOTHING

"""The stacks of one run side by side: shares with their intervals, every measurement of tokens and times, and why they differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from evals.distribution import median_interval, percentile
from evals.figures import GOALS
from evals.grid import Grid
from evals.latency import LatencySplit, split_latency
from evals.metrics import value_of
from evals.report.plot import Plot, colour
from evals.report.quantities import NOTHING, Show, count, milliseconds, percent, with_interval
from evals.report.row_plots import plot_of, shown_plot
from evals.report.rows import Axis, Row, axis_around
from evals.run import Run
from evals.schedule import Regime, Series
from evals.stats import CONFIDENCE, Goal, valid_share
from evals.trials import Trial, values_by_task

MOST_SPLIT = 3
"""Of more stacks than these the difference in latency is not taken apart."""

_GOALS = tuple(sorted(GOALS, key=lambda goal: not goal.first_try))
HOW_TO_READ = (
    "Shares are means over tasks, with their intervals. Below them every dot is a trial (dots of one place are drawn once), and"
    " line and field are the median of the tasks' medians with its exact interval, which fewer than six tasks do not have."
)


def stack_plots(run: Run, regime: Regime) -> list[Plot]:
    """The shares of answers that reached each goal, then the distributions of tokens and times, then the parts of latency."""
    trials = {stack: run.of_series(Series(stack, regime)) for stack in run.settings.stacks}
    answered = {stack: measured for stack, measured in trials.items() if measured}
    if not answered:
        return []
    shares = [_share_plot(answered, goal) for goal in _GOALS]
    distributions = (_dots_plot(answered, measure) for measure in _MEASURES)
    return [*shares, *(plot for plot in distributions if plot is not None), *_latency_plots(answered)]


def _share_plot(answered: dict[str, list[Trial]], goal: Goal) -> Plot:
    shares = {stack: valid_share(trials, goal) for stack, trials in answered.items()}
    rows = [
        Row(stack, str(share), colour(place, len(shares)), share.value, share.low, share.high)
        for place, (stack, share) in enumerate(shares.items())
    ]
    cells = [
        (
            stack,
            percent(share.value),
            f"{percent(share.low)} to {percent(share.high)}",
            count(share.tasks),
            count(len(answered[stack])),
        )
        for stack, share in shares.items()
    ]
    table = Grid(("stack", "share", "95 % interval", "tasks", "trials"), tuple(cells))
    return plot_of(f"{goal}, share of answers", rows, Axis("", 0.0, 1.0, "%"), table)


@dataclass(frozen=True, slots=True)
class _Measure:
    """What is read off a trial, in the unit of its axis after it is multiplied by ``scale``."""

    title: str
    read: Callable[[Trial], float | None]
    show: Show = milliseconds
    unit: str = "ms"
    scale: float = 1000.0


_MEASURES = (
    _Measure("prompt tokens of the first attempt", lambda trial: trial.first.completion.prompt_tokens, count, "tokens", 1.0),
    _Measure("tokens of a trial, all attempts", lambda trial: trial.total_tokens, count, "tokens", 1.0),
    _Measure("TTFT", lambda trial: value_of(trial, "ttft")),
    _Measure("latency of a trial", lambda trial: value_of(trial, "latency")),
    _Measure("look-up in memory", lambda trial: value_of(trial, "retrieval")),
)
_SPREAD = ("stack", "trials", "tasks", "least", "p50", "p95", "most", "median of tasks", "95 % interval")


def _dots_plot(answered: dict[str, list[Trial]], measure: _Measure) -> Plot | None:
    """One row of dots for every stack that has a value."""
    measured = {stack: values_by_task(trials, measure.read) for stack, trials in answered.items()}
    colours = {stack: colour(place, len(measured)) for place, stack in enumerate(measured)}
    found = {stack: by for stack, by in measured.items() if by}
    if not found:
        return None
    rows = [_dots_row(stack, colours[stack], by, measure) for stack, by in found.items()]
    cells = tuple(_spread_cells(stack, by, measure.show) for stack, by in found.items())
    axis = axis_around(measure.unit, [value for row in rows for value in row.dots])
    return plot_of(measure.title, rows, axis, Grid(_SPREAD, cells))


def _dots_row(stack: str, shade: str, by: dict[str, list[float]], measure: _Measure) -> Row:
    middle, low, high = _middle(by)
    value, first, last = (None if end is None else measure.scale * end for end in (middle, low, high))
    dots = tuple(measure.scale * seen for values in by.values() for seen in values)
    return Row(stack, with_interval(middle, low, high, measure.show), shade, value, first, last, dots, "dots")


def _spread_cells(stack: str, by: dict[str, list[float]], show: Show) -> tuple[str, ...]:
    values = [value for one in by.values() for value in one]
    spread = (min(values), percentile(values, 0.5), percentile(values, 0.95), max(values))
    middle, low, high = _middle(by)
    interval = NOTHING if low is None or high is None else f"{show(low)} to {show(high)}"
    return stack, count(len(values)), count(len(by)), *map(show, spread), show(middle), interval


def _middle(by: dict[str, list[float]]) -> tuple[float, float | None, float | None]:
    """The median of the tasks' medians, with its interval where it has one."""
    medians = [median(values) for values in by.values()]
    return median(medians), *(median_interval(medians, CONFIDENCE) or (None, None))


def _latency_plots(answered: dict[str, list[Trial]]) -> list[Plot]:
    """For every later stack where its difference in latency to the first one comes from."""
    first, *others = answered
    if len(answered) > MOST_SPLIT:
        return []
    return [plot for stack in others for plot in split_plots(f"{stack} - {first}", answered[first], answered[stack])]


def split_plots(compared: str, reference: Sequence[Trial], other: Sequence[Trial]) -> list[Plot]:
    """Where the difference in latency of two lists of trials comes from; nothing where they have no pair of a task and epoch."""
    split = split_latency(reference, other)
    return [] if split is None else [_split_plot(compared, split)]


def _split_plot(compared: str, split: LatencySplit) -> Plot:
    parts = {
        "prefill (to the first token)": split.prefill,
        "output length": split.output_length,
        "decode speed": split.decode_speed,
        "retry": split.retry,
        "in all": split.total,
    }
    rows = [
        Row(name, f"{1000 * seconds:+,.1f} ms", colour(1 if name == "in all" else 2), 1000 * seconds, style="bar")
        for name, seconds in parts.items()
    ]
    axis = axis_around("ms", [1000 * seconds for seconds in parts.values()], reference=0.0)
    note = f"Mean differences over {split.pairs} pairs of trials of the same task and epoch; the parts add up to the whole."
    return shown_plot(f"where the latency of {compared} comes from", rows, axis, ("part of the difference", "mean"), note)

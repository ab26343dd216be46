"""The tables of a comparison: what its figures look like, whatever they are printed as."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.errors import Rung
from evals.comparison import Comparison, SeriesComparison, Side
from evals.figures import Change, ShareFigure, TimeFigure, TokenCount, TokenFigure
from evals.flips import FLIP_RUNGS, Flip, Reason
from evals.grid import Grid
from evals.metrics import Metric
from evals.pertask import TaskFigures, TaskRow
from evals.schedule import Series
from evals.stats import Share

_NOTHING = "-"
_TIMES: dict[Metric, str] = {"ttft": "TTFT", "decode": "decode", "latency": "latency", "retrieval": "memory look-up"}
_TOKENS: dict[TokenCount, str] = {
    "prompt tokens": "prompt tokens",
    "completion tokens": "completion tokens",
    "total tokens": "tokens of a trial",
}


def sides_grid(comparison: Comparison) -> Grid:
    """What BASE and HEAD are."""
    columns = [_side_cells(side) for side in (comparison.base, comparison.head)]
    return Grid(("", "BASE", "HEAD"), tuple((name, columns[0][name], columns[1][name]) for name in columns[0]), texts=(0, 1, 2))


def series_grid(series: SeriesComparison) -> Grid:
    """Every figure of a series in both runs, and its change."""
    rows = (
        ("tasks (trials)", *(f"{size.tasks} ({size.trials})" for size in (series.base, series.head)), ""),
        *map(_share_row, series.shares),
        *map(_token_row, series.tokens),
        *(row for figure in series.times for row in _time_rows(figure)),
    )
    return Grid((str(series.series), "BASE", "HEAD", "change"), rows)


def flip_grids(series: SeriesComparison) -> dict[str, Grid]:
    """The tasks of a series that flipped, by a title that counts them; one table for each rung that some flipped in."""
    by_rung = {rung: [flip for flip in series.flips if flip.rung == rung] for rung in FLIP_RUNGS}
    return {_flip_title(series.series, rung, flips): _flip_grid(flips) for rung, flips in by_rung.items() if flips}


def steady_sentence(series: SeriesComparison) -> str:
    """In which rungs no task of a series flipped; empty where one did in each."""
    flipped = {flip.rung for flip in series.flips}
    steady = [rung for rung in FLIP_RUNGS if rung not in flipped]
    return f"{series.series}: no task flipped in {' or '.join(steady)}" if steady and series.common_tasks else ""


def _flip_title(series: Series, rung: Rung, flips: Sequence[Flip]) -> str:
    lost = sum(flip.gain < 0 for flip in flips)
    return f"{series}, tasks that flipped in {rung}: {lost} lost, {len(flips) - lost} gained"


def _flip_grid(flips: Sequence[Flip]) -> Grid:
    rows = tuple((flip.task, f"{flip.base} > {flip.head}", flip.worse, _reasons(flip.reasons)) for flip in flips)
    return Grid(("task", "BASE > HEAD", "wrong in", "because"), rows, texts=(0, 2, 3))


def task_grid(series: SeriesComparison) -> Grid:
    """BASE's figures of every task that both have, then HEAD's; of every task where they have none in common."""
    rows = [row for row in series.tasks if not series.common_tasks or None not in (row.base, row.head)]
    columns = ("task", "valid", "parses", "prompt tokens", "TTFT, ms", "latency, ms")
    return Grid(columns, tuple(map(_task_row, rows)))


def _side_cells(side: Side) -> dict[str, str]:
    stopped = f" of {side.planned_tasks}, then stopped" if side.tasks < side.planned_tasks else ""
    gaps = {"not run": side.missing, "with a fault": side.faulted}
    told = "".join(f", {count} {gap}" for gap, count in gaps.items() if count)
    return {
        "run": side.run,
        "model": side.model,
        "server": side.server,
        "commit": commit_text(side),
        "size": f"{_number(side.tasks, 'task')}{stopped} x {_number(side.epochs, 'epoch')}{told}",
        "begun": begun_text(side),
    }


def commit_text(side: Side) -> str:
    """The commit that a run was measured at, and whether anything had been changed since."""
    return _NOTHING if side.commit is None else f"{str(side.commit)[:10]}{' and uncommitted changes' if side.dirty else ''}"


def begun_text(side: Side) -> str:
    """When a run's first trial began."""
    return _NOTHING if side.started is None else f"{side.started[:16].replace('T', ' ')} UTC"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _share_row(figure: ShareFigure) -> tuple[str, ...]:
    return str(figure.goal), _share(figure.base), _share(figure.head), _points(figure.change)


def _share(share: Share | None) -> str:
    return _NOTHING if share is None else f"{share.value:.0%} [{100 * share.low:.0f}, {100 * share.high:.0f}]"


def _points(change: Change | None) -> str:
    if change is None:
        return _NOTHING
    ends = ", ".join(_NOTHING if end is None else f"{100 * end:+.1f}" for end in (change.low, change.high))
    return f"{100 * change.value:+.1f} pts [{ends}]"


def _token_row(figure: TokenFigure) -> tuple[str, ...]:
    ratio = _NOTHING if figure.change is None else f"x{figure.change.value:.3f}"
    return _TOKENS[figure.count], _count(figure.base), _count(figure.head), ratio


def _count(tokens: float | None) -> str:
    return _NOTHING if tokens is None else f"{tokens:,.0f}"


def _time_rows(figure: TimeFigure) -> Iterator[tuple[str, ...]]:
    title, sides = _TIMES[figure.metric], (figure.base, figure.head)
    yield f"{title} p50", *(_NOTHING if side is None else f"{_milliseconds(side.p50)} ms" for side in sides), _ratio(figure.change)
    said = "" if figure.one_session else "not judged"
    yield f"{title} p95", *(_NOTHING if side is None else f"{_milliseconds(side.p95)} ms" for side in sides), said


def _ratio(change: Change | None) -> str:
    if change is None:
        return _NOTHING
    low, high = ("0" if change.low is None else f"{change.low:.3f}"), ("inf" if change.high is None else f"{change.high:.3f}")
    return f"x{change.value:.3f} [{low}, {high}]"


def _milliseconds(seconds: float | None) -> str:
    """Milliseconds, with a decimal only below 10."""
    if seconds is None:
        return _NOTHING
    return f"{seconds * 1000:,.0f}" if seconds >= 0.00995 else f"{seconds * 1000:.1f}"


def _reasons(reasons: Sequence[Reason]) -> str:
    return "; ".join(f"{reason.epochs} x {reason.cause}: {reason.failure}" for reason in reasons)


def _task_row(row: TaskRow) -> tuple[str, ...]:
    sides = [_task_cells(side) for side in (row.base, row.head)]
    return row.task, *(f"{before} > {now}" for before, now in zip(*sides, strict=True))


def _task_cells(side: TaskFigures | None) -> tuple[str, ...]:
    if side is None:
        return (_NOTHING,) * 5
    return str(side.valid), str(side.parses), _count(side.prompt_tokens), _milliseconds(side.ttft), _milliseconds(side.latency)

"""The comparison of two saved runs: what each of them measured, side by side, and what changed. It never judges; the gate does."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Self

from evals.figures import Figure, ShareFigure, TimeFigure, TokenFigure, share_figures, time_figures, token_figures
from evals.flips import Flip, find_flips
from evals.likeness import DEFAULT_CHANGED, Changed, Differences, differences, obstacles
from evals.pair import from_one_session
from evals.pertask import TaskRow, task_rows
from evals.run import Run
from evals.schedule import Series


@dataclass(frozen=True, slots=True)
class Side:
    """What one of two runs is.

    ``tasks`` were to be measured, ``planned_tasks`` if it had not been stopped early; ``started`` is when its first trial began, in
    UTC as ISO 8601, and ``disclaimer`` what its numbers do not say.
    """

    run: str
    model: str
    server: str
    commit: str | None
    dirty: bool | None
    tasks: int
    planned_tasks: int
    epochs: int
    trials: int
    missing: int
    faulted: int
    started: str | None
    disclaimer: str

    @classmethod
    def of(cls, run: Run) -> Self:
        """What a run is."""
        provenance, measured = run.header.fingerprint.provenance, set(run.measured_tasks)
        return cls(
            run=run.header.run,
            model=run.header.target.model,
            server=run.header.target.server,
            commit=provenance.get("commit"),
            dirty=provenance.get("dirty"),
            tasks=len(measured),
            planned_tasks=len(run.settings.tasks),
            epochs=run.settings.epochs,
            trials=len(run.trials),
            missing=sum(key[1] in measured for key in run.missing),
            faulted=len(run.faulted),
            started=min((trial.started for trial in run.trials), default=None),
            disclaimer=run.header.target.disclaimer,
        )


@dataclass(frozen=True, slots=True)
class Size:
    """How many ``trials`` of a series have an answer, and of how many ``tasks``."""

    tasks: int
    trials: int


@dataclass(frozen=True, slots=True)
class SeriesComparison:
    """One series in both runs. Changes are over the ``common_tasks``, which have an answer on both sides."""

    series: Series
    base: Size
    head: Size
    common_tasks: int
    shares: tuple[ShareFigure, ...]
    tokens: tuple[TokenFigure, ...]
    times: tuple[TimeFigure, ...]
    flips: tuple[Flip, ...]
    tasks: tuple[TaskRow, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure of the series."""
        return *self.shares, *self.tokens, *self.times


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side.

    ``obstacles`` say why no verdict can come of them, each with what to do about it; what both have is compared all the same.
    ``between`` is what differs between their fingerprints, and ``notes`` what must be known to read the figures. The series that
    only one run has are named and not shown.
    """

    base: Side
    head: Side
    obstacles: tuple[str, ...]
    between: Differences
    notes: tuple[str, ...]
    series: tuple[SeriesComparison, ...]
    only_base: tuple[Series, ...]
    only_head: tuple[Series, ...]

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON can hold it: seconds, shares from 0 to 1, and ``None`` for what there is not."""
        return asdict(self)


def compare(base: Run, head: Run, changed: Collection[Changed] = DEFAULT_CHANGED) -> Comparison:
    """Compare what two runs both have, alike or not, complete or not. ``changed`` is what is meant to differ."""
    before, now = base.settings.series, head.settings.series
    return Comparison(
        base=Side.of(base),
        head=Side.of(head),
        obstacles=tuple(obstacles(base, head, changed)),
        between=differences(base, head, changed),
        notes=tuple(_notes(base, head)),
        series=tuple(_compare_series(base, head, series) for series in before if series in now),
        only_base=tuple(series for series in before if series not in now),
        only_head=tuple(series for series in now if series not in before),
    )


def _compare_series(base: Run, head: Run, series: Series) -> SeriesComparison:
    before, now = base.of_series(series), head.of_series(series)
    rows = task_rows(before, now)
    return SeriesComparison(
        series=series,
        base=Size(sum(row.base is not None for row in rows), len(before)),
        head=Size(sum(row.head is not None for row in rows), len(now)),
        common_tasks=sum(None not in (row.base, row.head) for row in rows),
        shares=share_figures(before, now),
        tokens=token_figures(before, now),
        times=tuple(time_figures(base, head, series, one_session=from_one_session(base, head))),
        flips=tuple(find_flips(series, before, now)),
        tasks=rows,
    )


def _notes(base: Run, head: Run) -> list[str]:
    notes = []
    if not from_one_session(base, head):
        notes.append("Times of two sessions are shown and never judged; pytest --ab measures both in one.")
    if not (base.stopped is None and head.stopped is None):
        notes.append("A run that was stopped when its verdict was settled has flattering intervals; the gate judges it by its own.")
    for side, run in (("BASE", base), ("HEAD", head)):
        if cut := sum(trial.cut_off for trial in run.trials):
            notes.append(f"{side}: {cut} answer(s) were cut off at their limit of tokens (--max-tokens) and count as invalid.")
    disclaimers = dict.fromkeys(run.header.target.disclaimer for run in (base, head))
    return [*notes, *filter(None, disclaimers)]

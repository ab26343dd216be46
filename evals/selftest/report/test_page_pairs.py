"""The plots of two runs side by side, computed once more from both saved runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, median

import numpy as np
import pytest

from evals.selftest.report import recount
from evals.selftest.report.page_reader import Figure
from evals.selftest.report.read_pairs import ORDER, Pair, change
from evals.selftest.report.read_twice import PIXEL
from evals.selftest.report.recount import Trial, count, milliseconds, percent, reaches


def test_changes_of_shares(pair: Pair) -> None:
    """The plot of the changes has the mean difference of every share with its paired-t interval, in words, table and marks."""
    figure = pair.plots["change of each share, HEAD - BASE in points"]
    for goal, row, cells in zip(ORDER, figure.rows(), figure.table[1:], strict=True):
        estimate = change(pair, goal)
        assert cells == (row.label, row.shown) == (goal, recount.points(*estimate))
        value, *ends = (figure.place(100 * one) for one in estimate)
        assert row.points == pytest.approx((value,), abs=PIXEL)
        assert row.line == pytest.approx(ends, abs=PIXEL)


def rates(rung: str) -> Callable[[list[Trial]], dict[str, float]]:
    """The share of every task's answers on a rung."""
    return lambda trials: {task: float(rate) for task, rate in recount.task_rates(trials, reaches(rung)).items()}


def medians(value: recount.Value) -> Callable[[list[Trial]], dict[str, float]]:
    """The median of every task."""
    return lambda trials: recount.task_medians(trials, value)


@dataclass(frozen=True)
class Slope:
    """What a plot of slopes shows of every task, how it is written, and what is said of all tasks together."""

    read: Callable[[list[Trial]], dict[str, float]]
    show: Callable[[float], str]
    named: str = "median"
    middle: Callable[[list[float]], float] = median
    more_is_better: bool = False


TWO_SESSIONS = " (of two sessions: shown, not judged)"
SLOPES = {
    "schema-valid": Slope(rates("schema-valid"), percent, "mean", fmean, more_is_better=True),
    "code parses": Slope(rates("code parses"), percent, "mean", fmean, more_is_better=True),
    "prompt tokens": Slope(medians(recount.prompt_tokens), count),
    f"TTFT{TWO_SESSIONS}": Slope(medians(recount.ttft), milliseconds),
    f"latency{TWO_SESSIONS}": Slope(medians(recount.latency), milliseconds),
}


def ways(pair: Pair, title: str) -> dict[str, tuple[float, float]]:
    """By task its value in BASE and in HEAD, in the order of the names of tasks."""
    before, now = (SLOPES[title].read(trials) for trials in pair.both)
    return {task: (before[task], now[task]) for task in sorted(before) if task in now}


@pytest.mark.parametrize("title", SLOPES)
def test_slopes_in_tables(pair: Pair, title: str) -> None:
    """The table of slopes has every task that both runs have, with its value in each."""
    show = SLOPES[title].show
    expected = [(task, show(before), show(now)) for task, (before, now) in ways(pair, title).items()]
    assert pair.plots[f"{title}, task by task"].table == [("task", "BASE", "HEAD"), *expected]


@pytest.mark.parametrize("title", SLOPES)
def test_sentences_on_slopes(pair: Pair, title: str) -> None:
    """A plot of slopes says what all tasks together had in both runs, and how many became better and worse."""
    slope, found = SLOPES[title], ways(pair, title).values()
    before, now = (slope.middle(list(side)) for side in zip(*found, strict=True))
    more, less = sum(after > once for once, after in found), sum(after < once for once, after in found)
    better, worse = (more, less) if slope.more_is_better else (less, more)
    told = (
        f"Line across: {slope.named} {slope.show(before)} in BASE, {slope.show(now)} in HEAD; of {len(found)} tasks"
        f" {better} better, {worse} worse, {len(found) - more - less} the same."
    )
    assert pair.plots[f"{title}, task by task"].note.startswith(told)


@pytest.mark.parametrize("title", SLOPES)
def test_slopes_in_plots(pair: Pair, title: str) -> None:
    """A plot of slopes has a line for every two values that a task has, from BASE's to HEAD's, and one for all together."""
    slope, found = SLOPES[title], list(ways(pair, title).values())
    lines = slanted(pair.plots[f"{title}, task by task"])
    middles = [slope.middle(list(side)) for side in zip(*found, strict=True)]
    drawn = [(before, now) for before, now, colour in lines if colour != "var(--ink)"]
    assert len(drawn) == len(set(found))
    heights = Heights(found, drawn)
    assert sorted(drawn) == pytest.approx(
        np.array(sorted((heights.of(once), heights.of(now)) for once, now in set(found))), abs=PIXEL
    )
    (whole,) = [(before, now) for before, now, colour in lines if colour == "var(--ink)"]
    assert whole == pytest.approx([heights.of(one) for one in middles], abs=PIXEL)


@pytest.mark.parametrize("title", SLOPES)
def test_colours_of_slopes(pair: Pair, title: str) -> None:
    """A line is drawn as better, as worse or as neither by what its task became."""
    found = set(ways(pair, title).values())
    more, less = sum(now > before for before, now in found), sum(now < before for before, now in found)
    better, worse = (more, less) if SLOPES[title].more_is_better else (less, more)
    seen = Counter(colour for _, _, colour in slanted(pair.plots[f"{title}, task by task"]))
    colours = ("var(--better)", "var(--worse)", "var(--muted)", "var(--ink)")
    assert [seen[one] for one in colours] == [better, worse, len(found) - more - less, 1]


def slanted(figure: Figure) -> list[tuple[float, float, str]]:
    """The lines from BASE to HEAD: their heights at both ends, in pixels, and their colours."""
    lines = [(float(one.get("y2", 0)), y, one.get("stroke", "")) for _, y, one in figure.lines() if float(one.get("x2", 0)) > 0]
    return [(y, y + down, colour) for down, y, colour in lines]


class Heights:
    """How high values are drawn: by the least and the greatest of them."""

    def __init__(self, values: list[tuple[float, float]], drawn: list[tuple[float, float]]) -> None:
        self.low, self.high = min(map(min, values)), max(map(max, values))
        self.bottom, self.top = max(map(max, drawn)), min(map(min, drawn))

    def of(self, value: float) -> float:
        """The height of a value, in pixels from the top."""
        span = self.high - self.low
        return self.bottom + (self.top - self.bottom) * (value - self.low) / span if span else self.top


def test_trials_of_both_runs(pair: Pair) -> None:
    """The table of trials has HEAD's and then BASE's, each with the side that it is of."""
    found = [(one["side"], one["task"], one["epoch"], one["seed"]) for one in pair.page.trials()["trials"]]
    expected = [
        (side, one["task"], one["epoch"], one["seed"])
        for side, saved in (("head", pair.head), ("base", pair.base))
        for one in saved["trials"]
    ]
    assert found == expected
    assert [side for side, _ in groupby(side for side, *_ in found)] == ["head", "base"]

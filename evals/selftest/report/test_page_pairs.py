"""What the page says of two runs side by side, computed once more from both saved runs."""

from __future__ import annotations

import functools
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import pytest

from evals.run import Run
from evals.selftest.factories import in_one_session
from evals.selftest.report import recount
from evals.selftest.report.page_reader import Figure, Page, Section
from evals.selftest.report.read_twice import GOALS, PIXEL, report_files
from evals.selftest.report.recount import Trial, count, milliseconds, percent, reaches
from evals.selftest.report.recount_stacks import decoded
from evals.selftest.report.sample import sample_run
from evals.selftest.report.troubled import troubled
from evals.trials import Trial as TrialOfARun

ORDER = ("strict JSON", "schema-valid", "code parses", "obeyed", "valid at first try")


@dataclass(frozen=True)
class Pair:
    """Two saved runs and their page, and one series of them."""

    head: dict[str, Any]
    base: dict[str, Any]
    page: Page
    stack: str
    regime: str

    @property
    def series(self) -> str:
        """What the series is called."""
        return f"{self.stack}-{self.regime}"

    @property
    def both(self) -> tuple[list[Trial], list[Trial]]:
        """The trials of the series that have an answer: BASE's, then HEAD's."""
        before, now = (recount.answered(saved, self.stack, self.regime) for saved in (self.base, self.head))
        return before, now

    @property
    def plots(self) -> dict[str, Figure]:
        """The plots of the series."""
        return self.page.sections[f"HEAD against BASE: {self.series}"].figures

    @property
    def figures(self) -> Section:
        """The section that has all figures of all series."""
        return self.page.sections["HEAD against BASE, all figures"]


@functools.cache
def two_sessions() -> tuple[dict[str, Any], dict[str, Any], Page]:
    """Two runs in which something went wrong, of other numbers of tasks and epochs, whose prompts differ."""
    head = troubled(sample_run(tasks=14, epochs=3, regimes=("warm", "cold"), seed=7))
    base = troubled(sample_run(tasks=13, epochs=2, regimes=("warm", "cold"), seed=8, name="20260101-000000-00000000"))
    return _read(head, replace(base, trials=tuple(map(_told_more, base.trials))))


@functools.cache
def one_session() -> tuple[dict[str, Any], dict[str, Any], Page]:
    """Two whole runs of one session, which are judged."""
    head = sample_run(tasks=12, epochs=2, regimes=("warm", "cold"), seed=7)
    base = sample_run(tasks=12, epochs=2, regimes=("warm", "cold"), seed=8)
    base, head = in_one_session(replace(base, trials=tuple(map(_told_more, base.trials))), head)
    return _read(head, base)


def _read(head: Run, base: Run) -> tuple[dict[str, Any], dict[str, Any], Page]:
    with tempfile.TemporaryDirectory() as folder:
        (first, second), html = report_files(Path(folder), head, base)
    return first, second, Page(html)


def _told_more(trial: TrialOfARun) -> TrialOfARun:
    """The trial with a longer prompt for a half of the tasks, and with another one in every epoch."""
    if len(trial.task) % 2:
        return trial
    more = [
        replace(one, completion=replace(one.completion, prompt_tokens=one.completion.prompt_tokens + 9 * trial.epoch))
        for one in trial.attempts
    ]
    return replace(trial, attempts=tuple(more))


@pytest.fixture(params=[(stack, regime) for stack in ("naive", "optimized") for regime in ("warm", "cold")], ids="-".join)
def pair(request: pytest.FixtureRequest) -> Pair:
    """Two runs of two sessions, looked at for one series."""
    return Pair(*two_sessions(), *request.param)


@pytest.fixture(params=[(stack, regime) for stack in ("naive", "optimized") for regime in ("warm", "cold")], ids="-".join)
def judged(request: pytest.FixtureRequest) -> Pair:
    """Two runs of one session, looked at for one series."""
    return Pair(*one_session(), *request.param)


def gains(pair: Pair, goal: str) -> recount.Rates:
    """What every task with an answer on both sides gained."""
    before, now = (recount.task_rates(trials, GOALS[goal]) for trials in pair.both)
    return {task: now[task] - before[task] for task in before if task in now}


def change(pair: Pair, goal: str) -> tuple[float, float, float]:
    """The change of a share, with its interval."""
    return recount.mean_with_interval([float(gain) for gain in gains(pair, goal).values()])


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
    named: str = "Median"
    middle: Callable[[list[float]], float] = median
    more_is_better: bool = False


TWO_SESSIONS = " (of two sessions: shown, not judged)"
SLOPES = {
    "schema-valid": Slope(rates("schema-valid"), percent, "Mean", fmean, more_is_better=True),
    "code parses": Slope(rates("code parses"), percent, "Mean", fmean, more_is_better=True),
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
        f"{slope.named} {slope.show(before)} in BASE, {slope.show(now)} in HEAD; of {len(found)} tasks"
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


def completion_tokens(trial: Trial) -> int:
    """The completion tokens of the first attempt."""
    return int(recount.first(trial)["completion_tokens"])


def decode(trial: Trial) -> float | None:
    """The seconds after the first token of the first call, where times count."""
    return decoded(recount.first(trial))[1] if recount.is_timed(trial) and recount.first(trial)["first_token"] is not None else None


def whole_milliseconds(seconds: float) -> str:
    """A time in milliseconds without its unit, with a decimal below 10."""
    return f"{1000 * seconds:,.0f}" if 1000 * seconds >= 9.95 else f"{1000 * seconds:.1f}"


def share_row(pair: Pair, goal: str) -> tuple[str, ...]:
    """A share in both runs, over all that each of them answered, and its change."""
    epochs = (pair.base["settings"]["epochs"], pair.head["settings"]["epochs"])
    found = [list(recount.task_rates(trials, GOALS[goal]).values()) for trials in pair.both]
    sides = [recount.share_with_interval(one, number) for one, number in zip(found, epochs, strict=True)]
    value, low, high = (f"{100 * one:+.1f}" for one in change(pair, goal))
    return goal, *(f"{percent(one[0])} [{100 * one[1]:.0f}, {100 * one[2]:.0f}]" for one in sides), f"{value} pts [{low}, {high}]"


def token_row(pair: Pair, title: str, value: Callable[[Trial], int]) -> tuple[str, ...]:
    """The median of tokens in both runs, and the ratio of the medians over the tasks that both have."""
    both = set.intersection(*({trial["task"] for trial in trials} for trials in pair.both))
    common = [float(np.median([value(trial) for trial in trials if trial["task"] in both])) for trials in pair.both]
    sides = (f"{np.median(list(map(value, trials))):,.0f}" for trials in pair.both)
    return title, *sides, f"x{common[1] / common[0]:.3f}"


def time_rows(pair: Pair, title: str, value: recount.Value, said: str) -> list[tuple[str, ...]]:
    """The middle and the slow end of a time in both runs, and its ratio over tasks."""
    found = [recount.values_of(trials, value) for trials in pair.both]
    if not any(found):
        return []
    p50, p95 = ([f"{whole_milliseconds(float(np.percentile(one, share)))} ms" for one in found] for share in (50, 95))
    return [(f"{title} p50", *p50, time_ratio(pair, value)), (f"{title} p95", *p95, said)]


def time_ratio(pair: Pair, value: recount.Value) -> str:
    """The Hodges-Lehmann ratio of a time over tasks, each of whose ends holds at 95 %."""
    before, now = (recount.task_medians(trials, value) for trials in pair.both)
    centre, low, high = recount.hodges_lehmann(list(recount.log_ratios(before, now).values()), 0.05)
    return f"x{centre:.3f} [{low:.3f}, {high:.3f}]"


def all_rows(pair: Pair, said: str) -> list[tuple[str, ...]]:
    """The table of all figures of a series."""
    sizes = [f"{len(recount.by_task(trials))} ({len(trials)})" for trials in pair.both]
    return [
        (pair.series, "BASE", "HEAD", "change"),
        ("tasks (trials)", *sizes, ""),
        *(share_row(pair, goal) for goal in ORDER),
        token_row(pair, "prompt tokens", recount.prompt_tokens),
        token_row(pair, "completion tokens", completion_tokens),
        token_row(pair, "tokens of a trial", recount.all_tokens),
        *time_rows(pair, "TTFT", recount.ttft, said),
        *time_rows(pair, "decode", decode, said),
        *time_rows(pair, "latency", recount.latency, said),
        *time_rows(pair, "memory look-up", recount.retrieval, said),
    ]


def test_all_figures_of_two_sessions(pair: Pair) -> None:
    """The table of a series has every figure in both runs and its change, and says that times of two sessions are not judged."""
    assert pair.figures.table(pair.series) == all_rows(pair, "not judged")


def test_all_figures_of_one_session(judged: Pair) -> None:
    """The table of a series has every figure in both runs and its change."""
    assert judged.figures.table(judged.series) == all_rows(judged, "")


def tallies(trials: list[Trial], rung: str) -> dict[str, str]:
    """By task how many of its answers are on a rung, of how many."""
    reached = reaches(rung)
    return {task: f"{sum(map(reached, tried))}/{len(tried)}" for task, tried in recount.by_task(trials).items()}


def test_tasks(pair: Pair) -> None:
    """The table of tasks has what both runs made of each task that both have."""
    columns = [
        *([tallies(trials, rung) for trials in pair.both] for rung in ("schema-valid", "code parses")),
        [shown(trials, recount.prompt_tokens, "{:,.0f}".format) for trials in pair.both],
        *([shown(trials, value, whole_milliseconds) for trials in pair.both] for value in (recount.ttft, recount.latency)),
    ]
    both = sorted(set.intersection(*({trial["task"] for trial in trials} for trials in pair.both)))
    expected = [(task, *(f"{before.get(task, '-')} > {now.get(task, '-')}" for before, now in columns)) for task in both]
    tables = [table for table in pair.figures.tables if table[0][:2] == ("task", "valid")]
    assert tables[series_of(pair).index((pair.stack, pair.regime))][1:] == expected


def shown(trials: list[Trial], value: recount.Value, show: Callable[[float], str]) -> dict[str, str]:
    """By task its median as it is written."""
    return {task: show(found) for task, found in recount.task_medians(trials, value).items()}


def series_of(pair: Pair) -> list[tuple[str, str]]:
    """The series in the order of the page."""
    settings = pair.head["settings"]
    return [(stack, regime) for regime in settings["regimes"] for stack in settings["stacks"]]


def test_flips(pair: Pair) -> None:
    """The tables of flips have the tasks that lost and then those that gained answers on a rung, the largest change first, with the
    causes of what went wrong.
    """
    expected = [rows for one in series_of(pair) for rung in ("schema-valid", "code parses") if (rows := flips(pair, *one, rung))]
    found = [table for table in pair.figures.tables if table[0][:2] == ("task", "BASE > HEAD")]
    assert [[row[:3] for row in table[1:]] for table in found] == [[row[:3] for row in rows] for rows in expected]
    reasons = [[[told.split(":")[0] for told in parted(row[3])] for row in table[1:]] for table in found]
    assert reasons == [[list(row[3]) for row in rows] for rows in expected]


def parted(because: str) -> list[str]:
    """The causes with their numbers, each with the first failure."""
    parts = because.split("; ")
    return [part for part in parts if part[0].isdigit() and " x " in part]


def flips(pair: Pair, stack: str, regime: str, rung: str) -> list[tuple[Any, ...]]:
    """The flips of one series in one rung."""
    one = replace(pair, stack=stack, regime=regime)
    before, now = (recount.task_rates(trials, reaches(rung)) for trials in one.both)
    gained = {task: now[task] - before[task] for task in before if task in now and now[task] != before[task]}
    order = sorted(gained, key=lambda task: (gained[task] > 0, -abs(gained[task]), task))
    told = [tallies(trials, rung) for trials in one.both]
    sides = {task: ("BASE", 0) if gained[task] > 0 else ("HEAD", 1) for task in order}
    return [
        (task, f"{told[0][task]} > {told[1][task]}", sides[task][0], causes(one.both[sides[task][1]], task, rung)) for task in order
    ]


def causes(trials: list[Trial], task: str, rung: str) -> tuple[str, ...]:
    """Why so many answers to a task did not reach a rung, the most frequent cause first."""
    failed = [trial["attempts"][-1]["outcome"]["cause"] for trial in trials if trial["task"] == task and not reaches(rung)(trial)]
    return tuple(f"{number} x {cause}" for cause, number in sorted(Counter(failed).items(), key=lambda one: (-one[1], one[0])))


def test_sides(pair: Pair) -> None:
    """The page says how much each run measured, and how many of its trials met a fault."""
    table = {row[0]: row[1:] for row in pair.figures.table("")}
    faults = [sum(not trial["attempts"] for trial in saved["trials"]) for saved in (pair.base, pair.head)]
    assert table["size"] == (f"13 tasks x 2 epochs, {faults[0]} with a fault", f"14 tasks x 3 epochs, {faults[1]} with a fault")
    assert table["run"] == (pair.base["run"], pair.head["run"])


def verdict_row(pair: Pair, limit: str) -> str:
    """What the table of the verdict says of a limit in both runs."""
    _, *rows = pair.page.sections["The verdict"].table("limit")
    (found,) = [told for name, told, _ in rows if name == f"{limit}, {pair.series}"]
    return found


@pytest.mark.parametrize("goal", ["schema-valid", "code parses"])
def test_shares_of_the_verdict(judged: Pair, goal: str) -> None:
    """The verdict names the share of both runs and its change with the interval."""
    before, now = (recount.task_rates(trials, GOALS[goal]).values() for trials in judged.both)
    shares = [float(sum(one, Fraction(0)) / len(one)) for one in (before, now)]
    value, low, high = (f"{100 * one:+.1f}" for one in change(judged, goal))
    assert verdict_row(judged, goal) == f"{percent(shares[0])}, then {percent(shares[1])}: {value} points [{low}, {high}]"


@pytest.mark.parametrize(("limit", "value"), [("ttft", recount.ttft), ("latency", recount.latency)])
def test_times_of_the_verdict(judged: Pair, limit: str, value: recount.Value) -> None:
    """The verdict names the median of the tasks' medians in both runs, and the Hodges-Lehmann ratio."""
    middles = [1000 * median(recount.task_medians(trials, value).values()) for trials in judged.both]
    assert verdict_row(judged, limit) == f"{middles[0]:,.1f} ms, then {middles[1]:,.1f} ms: {time_ratio(judged, value)}"


def test_prompts_of_the_verdict(judged: Pair) -> None:
    """The verdict names the mean of the tasks' mean prompts in both runs, and their ratio."""
    by_task = [recount.by_task(trials).values() for trials in judged.both]
    before, now = (fmean(fmean(map(recount.prompt_tokens, tried)) for tried in one) for one in by_task)
    assert verdict_row(judged, "prompt tokens") == f"{before:,.1f}, then {now:,.1f}: x{now / before:.3f}"


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

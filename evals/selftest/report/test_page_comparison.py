"""The tables of two runs side by side, and those of the verdict on them, computed once more from both saved runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from statistics import fmean, median
from typing import Any

import numpy as np
import pytest

from evals.selftest.report import recount
from evals.selftest.report.read_pairs import ORDER, Pair, change
from evals.selftest.report.read_twice import GOALS
from evals.selftest.report.recount import Trial, percent, reaches
from evals.selftest.report.recount_stacks import decoded


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

"""Figures of a series in two runs: each equals what is computed from the trials by other means."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings

from evals.changes import measure_change
from evals.figures import (
    GOALS,
    Change,
    Figure,
    share_change,
    share_figures,
    spread,
    time_change,
    time_figures,
    token_figures,
)
from evals.gate import pair_of
from evals.ladder import RUNGS
from evals.limits import Limit
from evals.metrics import METRICS, value_of
from evals.run import Run
from evals.schedule import Series
from evals.selftest.factories import EMPTY, VALID
from evals.selftest.run_pairs import HEAD, answered, any_pairs, full_pairs, outcomes_run, record, run_of
from evals.stats import Goal, clopper_pearson, hoeffding
from evals.trials import Trial

SERIES = Series("optimized", "warm")
NAIVE = Series("naive", "warm")
VALIDITY = Limit("schema-valid", "fall", 5, "points", "why")
SPEED = Limit("latency", "rise", 15, "percent", "why")


def rates(trials: list[Trial], goal: Goal) -> dict[str, Fraction]:
    """For every task the share of its epochs that reached a goal, counted anew."""
    found: dict[str, list[int]] = {}
    for trial in trials:
        attempt = trial.attempts[0 if goal.first_try else -1]
        found.setdefault(trial.task, []).append(int(RUNGS.index(attempt.outcome.rung) >= RUNGS.index(goal.rung)))
    return {task: Fraction(sum(reached), len(reached)) for task, reached in found.items()}


def mean(values: list[Fraction]) -> Fraction:
    """The mean of at least one fraction."""
    return sum(values, Fraction()) / len(values)


@given(any_pairs())
@settings(max_examples=40)
def test_shares_are_means_over_tasks_of_means_over_epochs(pair: tuple[Run, Run]) -> None:
    """Each side's share, of every goal, counts all that this side answered; without an answer there is none."""
    base, head = (run.of_series(SERIES) for run in pair)
    for figure in share_figures(base, head):
        for share, trials in ((figure.base, base), (figure.head, head)):
            counted = list(rates(trials, figure.goal).values())
            assert (share.value if share else None) == (pytest.approx(float(mean(counted))) if counted else None)


@given(any_pairs())
@settings(max_examples=40)
def test_changes_of_shares_are_over_the_tasks_that_both_have(pair: tuple[Run, Run]) -> None:
    """A change is HEAD's mean rate less BASE's over those tasks alone; there is none without such a task."""
    base, head = (run.of_series(SERIES) for run in pair)
    for goal in GOALS:
        before, now, change = rates(base, goal), rates(head, goal), share_change(base, head, goal)
        both = before.keys() & now.keys()
        expected = float(mean([now[task] for task in both]) - mean([before[task] for task in both])) if both else None
        assert (change.value if change else None) == (expected if expected is None else pytest.approx(expected))
        assert change is None or change.tasks == len(both)


def test_the_interval_of_one_epoch_is_exact_and_that_of_several_is_hoeffdings() -> None:
    """Shares are judged as a single run's are."""
    one, two = outcomes_run({"a": [VALID], "b": [EMPTY]}), outcomes_run({"a": [VALID] * 2, "b": [EMPTY] * 2})
    figure = share_figures(one.of_series(NAIVE), two.of_series(NAIVE))[1]
    assert figure.base is not None
    assert figure.head is not None
    assert (figure.base.low, figure.base.high) == clopper_pearson(1, 2)
    assert (figure.head.low, figure.head.high) == hoeffding(0.5, 2)


@given(full_pairs())
@settings(max_examples=40)
def test_the_interval_of_a_change_is_the_gates(pair: tuple[Run, Run]) -> None:
    """What the comparison shows of validity and latency is what the gate judges, to the last digit."""
    base, head = pair
    validity = measure_change(pair_of(base, head), VALIDITY, SERIES)
    change = share_change(base.of_series(SERIES), head.of_series(SERIES), Goal("schema-valid"))
    assert validity is not None
    assert change is not None
    assert (change.low, change.high) == (validity.low, validity.high)
    assert change.value == pytest.approx(validity.value)
    latency, ratio = measure_change(pair_of(base, head), SPEED, SERIES), time_change(base, head, SERIES, "latency")
    told = None if latency is None else (latency.value, latency.low or None, latency.high if latency.high < math.inf else None)
    assert (None if ratio is None else (ratio.value, ratio.low, ratio.high)) == told


@given(any_pairs())
@settings(max_examples=40)
def test_swapped_runs_have_mirrored_changes(pair: tuple[Run, Run]) -> None:
    """Differences change their sign, ratios are inverted, and the ends of intervals change places."""
    base, head = pair
    before, now = base.of_series(SERIES), head.of_series(SERIES)
    for goal in GOALS:
        assert _negated(share_change(now, before, goal)) == share_change(before, now, goal)
    for metric in METRICS:
        assert _close(_inverted(time_change(head, base, SERIES, metric)), time_change(base, head, SERIES, metric))
    for there, back in zip(token_figures(before, now), token_figures(now, before), strict=True):
        assert (there.base, there.head) == (back.head, back.base)
        if there.change is not None and back.change is not None:
            assert there.change.value == pytest.approx(1 / back.change.value)


def _negated(change: Change | None) -> Change | None:
    if change is None:
        return None
    low, high = (None if end is None else -end for end in (change.high, change.low))
    return replace(change, value=-change.value, low=low, high=high)


def _inverted(change: Change | None) -> Change | None:
    if change is None:
        return None
    low, high = (None if end is None else 1 / end for end in (change.high, change.low))
    return replace(change, value=1 / change.value, low=low, high=high)


def _close(one: Change | None, other: Change | None) -> bool:
    if one is None or other is None:
        return one is other
    pairs = ((one.value, other.value), (one.low, other.low), (one.high, other.high))
    return all(a is b if a is None or b is None else math.isclose(a, b, rel_tol=1e-9) for a, b in pairs)


@given(full_pairs())
@settings(max_examples=40)
def test_a_run_has_not_changed_against_itself(pair: tuple[Run, Run]) -> None:
    """Every difference is 0 and every ratio 1."""
    run = pair[0]
    trials = run.of_series(SERIES)
    assert {figure.change.value for figure in share_figures(trials, trials) if figure.change} == {0.0}
    ratios: list[Figure] = [*token_figures(trials, trials), *time_figures(run, run, SERIES, one_session=False)]
    assert {figure.change.value for figure in ratios if figure.change} <= {1.0}


def test_other_numbers_of_epochs_are_compared_as_rates() -> None:
    """One of two against two of three is a sixth, and a single task says nothing about others."""
    base, head = outcomes_run({"a": [VALID, EMPTY]}), outcomes_run({"a": [VALID, VALID, EMPTY]})
    change = share_change(base.of_series(NAIVE), head.of_series(NAIVE), GOALS[1])
    assert _rounded(change) == Change(1, 0.166667, -1.0, 1.0)


def _rounded(change: Change | None) -> Change | None:
    if change is None:
        return None
    low, high = (None if end is None else round(end, 6) for end in (change.low, change.high))
    return replace(change, value=round(change.value, 6), low=low, high=high)


@given(any_pairs())
@settings(max_examples=40)
def test_tokens_are_medians(pair: tuple[Run, Run]) -> None:
    """Prompt and completion tokens are those of first attempts, the tokens of a trial those of all."""
    base, head = (run.of_series(SERIES) for run in pair)
    prompt, completion, total = token_figures(base, head)
    first = [trial.attempts[0].completion for trial in base]
    every = [sum(a.completion.prompt_tokens + a.completion.completion_tokens for a in trial.attempts) for trial in base]
    assert prompt.base == (statistics.median(one.prompt_tokens for one in first) if first else None)
    assert completion.base == (statistics.median(one.completion_tokens for one in first) if first else None)
    assert total.base == (statistics.median(every) if every else None)


def test_nothing_is_divided_by_no_token() -> None:
    """Without a completion token in BASE there is no ratio."""
    none = replace(answered(EMPTY), attempts=(record(EMPTY, answer=0),))
    assert token_figures([none], [answered(VALID)])[1].change is None


@given(any_pairs())
@settings(max_examples=40)
def test_times_are_percentiles_of_all_that_count(pair: tuple[Run, Run]) -> None:
    """The median and the 95th percentile are those of the standard library, over the trials whose time counts."""
    base, head = pair
    for figure in time_figures(base, head, SERIES, one_session=False):
        seconds = [value for trial in base.of_series(SERIES) if (value := value_of(trial, figure.metric)) is not None]
        assert (figure.base is None) == (not seconds)
        if figure.base is not None:
            assert figure.base.n == len(seconds)
            assert figure.base.p50 == pytest.approx(statistics.median(seconds))
            twentieths = statistics.quantiles(seconds * 2 if len(seconds) == 1 else seconds, n=20, method="inclusive")
            assert figure.base.p95 == pytest.approx(twentieths[-1])


@given(full_pairs())
@settings(max_examples=40)
def test_the_ratio_of_a_time_is_that_of_hodges_and_lehmann(pair: tuple[Run, Run]) -> None:
    """It is the median of the means of all pairs of the tasks' logarithms, and lies within its interval."""
    base, head = pair
    medians = [_medians(run, SERIES) for run in (base, head)]
    logs = [math.log(medians[1][task] / medians[0][task]) for task in medians[0].keys() & medians[1].keys()]
    change = time_change(base, head, SERIES, "latency")
    assert (change is None) == (not logs)
    if change is not None:
        walsh = [(one + other) / 2 for place, one in enumerate(logs) for other in logs[: place + 1]]
        assert change.value == pytest.approx(math.exp(statistics.median(walsh)))
        assert (change.low or 0.0) <= change.value * (1 + 1e-12)
        assert change.value <= (change.high or math.inf) * (1 + 1e-12)


def _medians(run: Run, series: Series) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for trial in run.of_series(series):
        if trial.attempts[0].cache == "warm":
            found.setdefault(trial.task, []).append(sum(attempt.completion.latency for attempt in trial.attempts))
    return {task: statistics.median(seconds) for task, seconds in found.items()}


def test_too_few_tasks_give_a_ratio_without_ends() -> None:
    """Four tasks cannot exclude any ratio at 95 %, and five can; an infinite end is None."""
    slow = [_rounded(time_change(*_slower("abcde"[:count]), NAIVE, "ttft")) for count in (4, 5)]
    assert slow[0] == Change(4, 2.0, None, None, "4 task(s) are too few for the interval of a time")
    assert slow[1] == Change(5, 2.0, 2.0, 2.0)


def _slower(tasks: str) -> tuple[Run, Run]:
    quick, slow = ([answered(VALID, task=task, ttft=ttft) for task in tasks] for ttft in (0.1, 0.2))
    return run_of(*quick), run_of(*slow, name=HEAD)


def test_a_series_without_a_time_has_no_figure_of_it() -> None:
    """Trials that met the cache otherwise than their regime says, and stacks without memory, give no time at all."""
    untimed = replace(answered(VALID), attempts=(record(VALID, cache="cold"),))
    assert list(time_figures(run_of(untimed), run_of(untimed), NAIVE, one_session=True)) == []


def test_nothing_in_common_has_figures_and_no_change() -> None:
    """Each side is shown, and nothing is said to have changed."""
    base, head = outcomes_run({"a": [VALID]}), outcomes_run({"b": [EMPTY]}, HEAD)
    before, now = base.of_series(NAIVE), head.of_series(NAIVE)
    shares, tokens = share_figures(before, now), token_figures(before, now)
    figures: list[Figure] = [*shares, *tokens, *time_figures(base, head, NAIVE, one_session=True)]
    assert [figure.change for figure in figures] == [None] * 11
    assert None not in [side for figure in figures for side in (figure.base, figure.head)]


def test_no_time_has_no_spread() -> None:
    """Nothing measured gives no number."""
    assert spread([]) is None

"""The comparison of two runs: whatever they are, what both have is compared, and what they lack is said."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings

from evals.comparison import Comparison, compare
from evals.likeness import DEFAULT_CHANGED, obstacles
from evals.run import Run
from evals.selftest.factories import CUT_OFF, EMPTY, TIMEOUT, VALID, in_one_session, trial
from evals.selftest.run_pairs import HEAD, answered, any_pairs, any_runs, outcomes_run, run_of


@given(any_pairs())
@settings(max_examples=40)
def test_any_two_runs_can_be_compared_and_put_into_json(pair: tuple[Run, Run]) -> None:
    """Nothing crashes, JSON holds neither NaN nor infinity, and what is read is what was written."""
    there = compare(pair[0], pair[1]).to_dict()
    text = json.dumps(there, allow_nan=False)
    assert json.dumps(json.loads(text)) == text


@given(any_pairs())
@settings(max_examples=40)
def test_only_common_series_are_compared_and_the_others_named(pair: tuple[Run, Run]) -> None:
    """Every series is either compared or named on the side that has it."""
    base, head = (set(run.settings.series) for run in pair)
    comparison = compare(pair[0], pair[1])
    assert {one.series for one in comparison.series} == base & head
    assert (set(comparison.only_base), set(comparison.only_head)) == (base - head, head - base)


@given(any_pairs())
@settings(max_examples=40)
def test_swapped_runs_have_swapped_sides(pair: tuple[Run, Run]) -> None:
    """What was BASE's is HEAD's: sides, sizes, and every figure and task."""
    base, head = pair
    there, back = compare(base, head), compare(head, base)
    assert (there.base, there.head) == (back.head, back.base)
    turned = {one.series: one for one in back.series}
    for one in there.series:
        other = turned[one.series]
        assert (one.base, one.head, one.common_tasks) == (other.head, other.base, other.common_tasks)
        assert [(figure.base, figure.head) for figure in one.figures] == [(figure.head, figure.base) for figure in other.figures]
        assert [(row.base, row.head) for row in one.tasks] == [(row.head, row.base) for row in other.tasks]


@given(any_runs())
@settings(max_examples=40)
def test_a_run_and_itself_show_no_change_and_no_flip(run: Run) -> None:
    """Both sides are equal, and the comparison says that they are the same run."""
    comparison = compare(run, run)
    assert comparison.base == comparison.head
    assert any("the same run" in reason for reason in comparison.obstacles)
    for series in comparison.series:
        assert series.flips == ()
        assert {figure.change.value for figure in series.shares if figure.change} <= {0.0}
        assert {figure.change.value for figure in series.figures[len(series.shares) :] if figure.change} <= {1.0}


@given(any_pairs())
@settings(max_examples=40)
def test_what_keeps_a_verdict_away_is_carried_along(pair: tuple[Run, Run]) -> None:
    """The obstacles are those of the gate."""
    assert list(compare(pair[0], pair[1]).obstacles) == obstacles(pair[0], pair[1], DEFAULT_CHANGED)


def test_a_faulted_trial_is_counted_and_in_no_figure() -> None:
    """A fault is no answer: its task has a row only where another trial answered it."""
    faulted = trial(task="b", fault=TIMEOUT)
    comparison = compare(run_of(answered(VALID), faulted), run_of(answered(VALID), answered(EMPTY, task="b"), name=HEAD))
    assert (comparison.base.trials, comparison.base.faulted) == (2, 1)
    series = comparison.series[0]
    assert (series.base.tasks, series.head.tasks, series.common_tasks, series.flips) == (1, 2, 1, ())


def _notes(base: Run, head: Run) -> str:
    return " ".join(compare(base, head).notes)


def test_times_of_two_sessions_are_said_to_be_shown_only() -> None:
    """The note and the mark on every time are there unless both were measured in one A/B session."""
    base, head = outcomes_run({"a": [VALID]}), outcomes_run({"a": [VALID]}, HEAD)
    assert ("never judged" in _notes(base, head), "never judged" in _notes(*in_one_session(base, head))) == (True, False)
    assert _one_session(compare(base, head)) == {False}
    assert _one_session(compare(*in_one_session(base, head))) == {True}


def _one_session(comparison: Comparison) -> set[bool]:
    return {figure.one_session for figure in comparison.series[0].times}


def test_a_stopped_run_is_compared_as_far_as_it_went() -> None:
    """Its side says how many tasks were planned, and a note that intervals of such a run flatter."""
    whole = outcomes_run({"a": [VALID], "b": [VALID]})
    stopped = replace(run_of(*whole.trials, name=HEAD, stopped=1), trials=())
    first = stopped.measured_tasks[0]
    stopped = replace(stopped, trials=tuple(one for one in whole.trials if one.task == first))
    comparison = compare(whole, stopped)
    assert (comparison.head.tasks, comparison.head.planned_tasks, comparison.series[0].common_tasks) == (1, 2, 1)
    assert "stopped" in _notes(whole, stopped)
    assert comparison.obstacles == ()


def test_what_the_numbers_do_not_say_is_said_once() -> None:
    """The disclaimer of a target that both runs have is one note."""
    base, head = outcomes_run({"a": [VALID]}), outcomes_run({"a": [VALID]}, HEAD)
    base, head = (
        replace(run, header=replace(run.header, target=replace(run.header.target, disclaimer="A toy."))) for run in (base, head)
    )
    assert compare(base, head).notes.count("A toy.") == 1


def test_answers_that_were_cut_off_are_counted_by_side() -> None:
    """Who compares shares is told of the answers that the limit of tokens made invalid."""
    assert "HEAD: 1 answer(s) were cut off" in _notes(outcomes_run({"a": [VALID]}), outcomes_run({"a": [CUT_OFF]}, HEAD))

"""Flips: which tasks changed, in which order they are told, and why they went wrong."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from evals.flips import Reason, Tally, find_flips
from evals.ladder import Outcome
from evals.run import Run
from evals.schedule import Series
from evals.selftest.factories import VALID
from evals.selftest.run_pairs import FENCED, STRICT, SYNTAX, any_pairs, any_runs, outcomes_run

NAIVE = Series("naive", "warm")
OPTIMIZED = Series("optimized", "warm")


def flips(base: Run, head: Run, series: Series = NAIVE, rung: str = "schema-valid") -> list[tuple[str, str, str]]:
    """The tasks that flipped in a rung, with both tallies."""
    found = find_flips(series, base.of_series(series), head.of_series(series))
    return [(flip.task, str(flip.base), str(flip.head)) for flip in found if flip.rung == rung]


def test_lost_tasks_come_first_and_the_largest_of_them_at_the_top() -> None:
    """Lost before gained, large before small, then by name."""
    base = outcomes_run(
        {"a": [FENCED, FENCED], "b": [VALID, VALID], "c": [VALID, FENCED], "d": [VALID, VALID], "e": [VALID, FENCED]}
    )
    head = outcomes_run(
        {"a": [VALID, VALID], "b": [FENCED, VALID], "c": [FENCED, VALID], "d": [FENCED, FENCED], "e": [VALID, VALID]}
    )
    told = [("d", "2/2", "0/2"), ("b", "2/2", "1/2"), ("a", "0/2", "2/2"), ("e", "1/2", "2/2")]
    assert flips(base, head) == told


def test_every_rung_has_its_own_flips() -> None:
    """Code that no longer parses flips there, and not in being schema-valid."""
    base, head = outcomes_run({"a": [VALID]}), outcomes_run({"a": [SYNTAX]})
    assert flips(base, head) == []
    assert flips(base, head, rung="code parses") == [("a", "1/1", "0/1")]


def test_the_reasons_are_those_of_the_worse_side() -> None:
    """Each cause is told once, with its number of epochs and the failure of the first of them, the most frequent cause first."""
    good, bad = outcomes_run({"a": [VALID] * 4}), outcomes_run({"a": [FENCED, STRICT, STRICT, VALID]})
    reasons = (Reason("missing key", 2, str(STRICT.failure)), Reason("code fence", 1, str(FENCED.failure)))
    lost = find_flips(NAIVE, good.of_series(NAIVE), bad.of_series(NAIVE))[0]
    gained = find_flips(NAIVE, bad.of_series(NAIVE), good.of_series(NAIVE))[0]
    assert (lost.worse, lost.reasons) == ("HEAD", reasons)
    assert (gained.worse, gained.reasons) == ("BASE", reasons)


def test_a_failure_is_one_short_printable_line() -> None:
    """What a model wrote into a failure neither commands a terminal nor fills a page."""
    endless = Outcome("answered", "py", "other", "not JSON: \x1b[31m\n" + "x" * 5_000)
    flip = find_flips(NAIVE, outcomes_run({"a": [VALID]}).of_series(NAIVE), outcomes_run({"a": [endless]}).of_series(NAIVE))[0]
    failure = flip.reasons[0].failure
    assert (len(failure), failure.isprintable(), failure[-3:]) == (160, True, "...")


def test_other_numbers_of_epochs_are_compared_as_rates() -> None:
    """One of two is as good as two of four, and less than two of three."""
    half, same, more = ([VALID, FENCED], [VALID, FENCED] * 2, [VALID, VALID, FENCED])
    assert flips(outcomes_run({"a": half}), outcomes_run({"a": same})) == []
    assert flips(outcomes_run({"a": half}), outcomes_run({"a": more})) == [("a", "1/2", "2/3")]


@given(any_runs())
@settings(max_examples=40)
def test_no_task_flips_in_the_run_itself(run: Run) -> None:
    """A run that is compared with itself has no flip."""
    assert find_flips(OPTIMIZED, run.of_series(OPTIMIZED), run.of_series(OPTIMIZED)) == []


@given(any_pairs())
@settings(max_examples=40)
def test_swapped_runs_have_mirrored_flips(pair: tuple[Run, Run]) -> None:
    """The same tasks flip for the same reasons, and what was lost is gained."""
    base, head = (run.of_series(OPTIMIZED) for run in pair)
    there, back = find_flips(OPTIMIZED, base, head), find_flips(OPTIMIZED, head, base)
    swapped = [replace(flip, base=flip.head, head=flip.base, worse="BASE" if flip.worse == "HEAD" else "HEAD") for flip in back]
    assert {(flip.rung, flip.task): flip for flip in swapped} == {(flip.rung, flip.task): flip for flip in there}


@given(any_pairs())
@settings(max_examples=40)
def test_exactly_the_tasks_whose_rates_differ_flip(pair: tuple[Run, Run]) -> None:
    """A task flips if and only if both sides have answers to it and other shares of them are valid."""
    shares: list[dict[str, float]] = []
    for run in pair:
        tried: dict[str, list[bool]] = {}
        for trial in run.of_series(OPTIMIZED):
            tried.setdefault(trial.task, []).append(trial.last.valid)
        shares.append({task: sum(valid) / len(valid) for task, valid in tried.items()})
    base, head = shares
    differing = {task for task in base.keys() & head.keys() if base[task] != head[task]}
    assert {task for task, _, _ in flips(*pair, series=OPTIMIZED)} == differing


def test_a_tally_shows_both_numbers() -> None:
    """Two of three valid epochs read 2/3."""
    assert str(Tally(2, 3)) == "2/3"

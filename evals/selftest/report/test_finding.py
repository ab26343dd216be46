"""The finding: its word and its sentence follow from the numbers, and from nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.stacks import GROWTH_STACKS, PREFIX_STACKS
from evals.ablation import effects
from evals.changes import median_times
from evals.figures import share_change, share_gains
from evals.gate import GateVerdict, Verdict
from evals.ladder import Outcome
from evals.paired import holm
from evals.prefix_cache import contract_places, place_sentence
from evals.ratios import RatioEstimate, estimate_ratio, log_ratios, no_change_p
from evals.report.finding import Finding, finding_of, limits_of_the_finding
from evals.run import Run
from evals.schedule import REGIMES, Series
from evals.selftest.factories import VALID
from evals.selftest.report.sample import sample_run
from evals.selftest.run_pairs import FENCED, answered, any_runs, full_pairs, run_of
from evals.stats import Goal
from evals.trials import Trial

TASKS = "abcdefghijkl"
FACTORIAL = ("naive", "naive-with-contract", "naive-with-retry", "naive-with-memory", "optimized-without-contract", "optimized")


def two_stacks(before: dict[str, Outcome], now: dict[str, Outcome]) -> Run:
    """The run of both stacks in which naive gave the one outcome by task, and optimized the other."""
    return run_of(
        *(answered(outcome, task=task, stack="naive") for task, outcome in before.items()),
        *(answered(outcome, task=task, stack="optimized") for task, outcome in now.items()),
    )


def in_one_run(pair: tuple[Run, Run]) -> Run:
    """The trials of two runs as those of two stacks."""
    base, head = pair
    return run_of(*(replace(trial, stack="naive", retrieval_seconds=None) for trial in base.trials), *head.trials)


def same(outcome: Outcome) -> dict[str, Outcome]:
    """The same outcome for every task."""
    return dict.fromkeys(TASKS, outcome)


BETTER, WORSE, EQUAL = (two_stacks(same(before), same(now)) for before, now in ((FENCED, VALID), (VALID, FENCED), (VALID, VALID)))
ONE_BETTER = two_stacks(same(FENCED), same(FENCED) | {"a": VALID})


@settings(max_examples=50)
@given(full_pairs().map(in_one_run))
@example(BETTER)
@example(WORSE)
@example(EQUAL)
@example(ONE_BETTER)
def test_the_words_follow_from_the_numbers(run: Run) -> None:
    """A difference is claimed where its interval and its test show it, corrected for both tests, and FINDING where one is."""
    before, now = (run.of_series(Series(stack, "warm")) for stack in ("naive", "optimized"))
    change = share_change(before, now, Goal("schema-valid"))
    assert change is not None
    times = log_ratios(*(median_times(run, Series(stack, "warm"), run.settings.tasks, "ttft") for stack in ("naive", "optimized")))
    ps = [no_change_p([float(gain) for gain in share_gains(before, now, Goal("schema-valid"))])]
    ps += [no_change_p(times)] if times else []
    tested = [adjusted <= 0.05 for adjusted in holm(ps)]
    more, fewer = tested[0] and (change.low or 0) > 0, tested[0] and (change.high or 0) < 0
    ratio = estimate_ratio(times, 0.025) if times else None
    later, sooner = (ratio is not None and tested[1] and held for held in _beside_one(ratio))
    found = finding_of(run)
    assert found.word == ("FINDING" if more or fewer or later or sooner else "NOT SHOWN")
    claimed = "gives more" if more else "gives fewer" if fewer else "is not shown to differ in"
    assert found.sentence.startswith(f"optimized {claimed} valid answers ")
    assert f" naive, {100 * change.value:+.1f}" in found.sentence
    assert ("its TTFT is longer" in found.sentence, "its TTFT is shorter" in found.sentence) == (later, sooner)


def _beside_one(ratio: RatioEstimate | None) -> tuple[bool, bool]:
    return (False, False) if ratio is None else (ratio.low > 1, ratio.high < 1)


@pytest.mark.parametrize(
    ("run", "word", "said"),
    [
        (BETTER, "FINDING", "optimized gives more valid answers than naive, +100.0 ["),
        (WORSE, "FINDING", "optimized gives fewer valid answers than naive, -100.0 ["),
        (EQUAL, "NOT SHOWN", "optimized is not shown to differ in valid answers from naive, +0.0 ["),
        (ONE_BETTER, "NOT SHOWN", "optimized is not shown to differ in valid answers from naive, +8.3 ["),
    ],
)
def test_what_is_said_of_known_changes(run: Run, word: str, said: str) -> None:
    """The change in points, its direction in words, what TTFT did, over how many tasks and in which regime."""
    found = finding_of(run)
    assert found.word == word
    assert found.sentence.startswith(said)
    assert ", and its TTFT is not shown to differ, x1.00 [" in found.sentence
    assert found.sentence.endswith("; over 12 tasks, warm, corrected for 2 tests")


@settings(max_examples=50)
@given(any_runs())
@example(sample_run(tasks=2, epochs=1, faults=1))
@example(replace(EQUAL, trials=EQUAL.trials[:-1], missing=(EQUAL.trials[-1].key,)))
def test_a_run_with_a_flaw_is_incomplete(run: Run) -> None:
    """Of a run that lacks an answer nothing but its flaw is told, and of no other one; there is a finding of every run."""
    found = finding_of(run)
    assert (found.word == "INCOMPLETE") == bool(run.flaw)
    assert found.word in ("INCOMPLETE", "FINDING", "NOT SHOWN")
    if run.flaw:
        assert found.sentence == f"nothing is judged: {run.flaw}"


@settings(max_examples=40)
@given(any_runs(), st.sampled_from(get_args(GateVerdict)), st.text())
def test_a_verdict_comes_through_unchanged(run: Run, word: GateVerdict, sentence: str) -> None:
    """Where the run was judged the finding is the verdict, whatever the run is."""
    assert finding_of(run, Verdict(word, sentence)) == Finding(word, sentence)


def test_one_stack_is_told_alone() -> None:
    """A run of one stack says its share of valid answers, with the interval and the number of tasks."""
    found = finding_of(run_of(*(answered(outcome, task=task) for task, outcome in zip("ab", (VALID, FENCED), strict=True))))
    assert found.word == "FINDING"
    assert found.sentence.startswith("naive, warm: 50% [")
    assert found.sentence.endswith("] of the answers are schema-valid, over 2 tasks")


def test_stacks_without_a_common_task_are_not_compared() -> None:
    """Without a task that both answered there is nothing to say, and that is said."""
    found = finding_of(two_stacks({"a": VALID}, {"b": VALID}))
    assert found == Finding("NOT SHOWN", "no stack has a task in common with naive that both answered")


def test_of_several_stacks_each_is_told_against_the_first() -> None:
    """Stacks that have no ingredient in common are each compared with the first one, corrected for all tests."""
    run = run_of(*(answered(VALID, task=task, stack=stack) for stack in ("one", "two", "three") for task in "ab"))
    said = finding_of(run).sentence
    assert said.startswith("two is not shown to differ in valid answers from one, ")
    assert "; three is not shown to differ in valid answers from one, " in said
    assert said.endswith("; over 2 tasks, warm, corrected for 4 tests")


def test_one_ingredient_among_several_stacks_hides_no_comparison() -> None:
    """Of three stacks of which two differ in one ingredient, each is told against the first."""
    said = finding_of(sample_run(stacks=("naive", "optimized", "naive-with-memory"), tasks=4, epochs=1)).sentence
    assert said.startswith("optimized ")
    assert "; naive-with-memory " in said


def test_an_ablation_names_the_ingredients_that_were_shown() -> None:
    """Those whose interval excludes zero, and whose test does so among as many as there are, are named, and the others counted."""
    run = sample_run(stacks=FACTORIAL, tasks=24, epochs=1)
    found, there = finding_of(run), effects(run, "warm")
    adjusted = dict(zip([effect.factor.name for effect in there], holm([effect.p for effect in there]), strict=True))
    shown = [effect for effect in there if adjusted[effect.factor.name] <= 0.05 and (effect.valid.low > 0 or effect.valid.high < 0)]
    assert 0 < len(shown) < len(there)
    assert found.word == "FINDING"
    assert found.sentence.startswith("changes the share of valid answers, in points: ")
    assert {effect.factor.name for effect in there if f"{effect.factor.name} " in found.sentence} == {
        effect.factor.name for effect in shown
    }
    assert f"over 24 tasks, warm, corrected for {len(there)} ingredients; {len(there) - len(shown)} other" in found.sentence


def test_an_interval_alone_is_no_finding() -> None:
    """Five tasks gained of 64 have an interval above zero, and by the exact test p = 0.063, so nothing is shown."""
    tasks = [f"t{number}" for number in range(64)]
    run = two_stacks(dict.fromkeys(tasks, FENCED), dict.fromkeys(tasks, FENCED) | dict.fromkeys(tasks[:5], VALID))
    found = finding_of(run)
    assert found.word == "NOT SHOWN"
    assert "naive, +7.8 [+1.1, +14.6] points (p = 0.062)" in found.sentence


def test_an_ablation_that_shows_nothing_says_so() -> None:
    """Where no interval excludes zero no ingredient is named."""
    run = sample_run(stacks=FACTORIAL, tasks=2, epochs=1)
    assert finding_of(run) == Finding(
        "NOT SHOWN",
        f"none of {len(effects(run, 'warm'))} ingredients is shown to change the share of valid answers, over 2 tasks, warm",
    )


def test_one_ingredient_is_named_that_was_not_shown() -> None:
    """Where a single ingredient was changed it is the one that was not shown."""
    run = sample_run(stacks=FACTORIAL[:2], tasks=2, epochs=1)
    assert finding_of(run) == Finding("NOT SHOWN", "contract: not shown to change the share of valid answers, over 2 tasks, warm")


def of_study(run: Run, study: str) -> Run:
    """The run as one of a study."""
    return replace(run, header=replace(run.header, settings=replace(run.settings, study=study)))


def growth(tasks: int) -> Run:
    """A run of the study of growth."""
    return of_study(sample_run(stacks=GROWTH_STACKS, tasks=tasks, epochs=1, regimes=REGIMES), "growth")


def test_the_study_of_growth_is_told_by_its_break_even() -> None:
    """What grows is told for both regimes, as far as it was measured."""
    found = finding_of(growth(3))
    assert found.word == "FINDING"
    assert found.sentence.startswith("optimized against naive as the history grows: warm, fewer prompt tokens: ")
    assert "; cold, fewer prompt tokens: " in found.sentence


def test_growth_that_cannot_be_told_is_not_shown() -> None:
    """One task gives no interval, so nothing is found, and that is said of every quantity."""
    found = finding_of(growth(1))
    assert found.word == "NOT SHOWN"
    assert found.sentence.count("cannot be told within what was measured") == 4


def test_growth_of_too_few_sizes_is_not_shown() -> None:
    """A single size says nothing about growth."""
    run = of_study(sample_run(stacks=("naive-2-turns", "optimized-2-turns"), tasks=2, epochs=1), "growth")
    assert finding_of(run) == Finding("NOT SHOWN", "too few sizes were measured to say what grows")


def prefix_cache(cached: int, tasks: int = 8) -> Run:
    """A run of the study of the prefix cache, with so many cached tokens where the contract stands in the static prefix."""
    run = sample_run(stacks=PREFIX_STACKS, tasks=tasks, epochs=1, regimes=REGIMES)
    trials = (_with_cached(trial, cached if trial.stack == PREFIX_STACKS[-1] else 10) for trial in run.trials)
    return of_study(replace(run, trials=tuple(trials)), "prefix-cache")


def _with_cached(trial: Trial, cached: int) -> Trial:
    first = trial.first
    completion = replace(first.completion, prompt_tokens=400, cached_tokens=cached, ttft=0.1)
    return replace(trial, attempts=(replace(first, completion=completion),))


@pytest.mark.parametrize(("run", "word"), [(prefix_cache(200), "FINDING"), (prefix_cache(10), "NOT SHOWN")])
def test_the_study_of_the_prefix_cache_is_told_by_the_places_of_the_contract(run: Run, word: str) -> None:
    """The sentences are those of the study's own table, and it is a finding where the place changes what is cached."""
    sentences = [place_sentence(place) for place in contract_places(run)]
    assert sentences
    assert finding_of(run) == Finding(word, "; ".join(sentences))


def test_a_shorter_wait_is_a_finding_where_cached_tokens_are_not_reported() -> None:
    """A server that does not report what it cached shows it by TTFT alone, whose interval then lies beside 1."""
    run = prefix_cache(10)
    quick = (_waits(trial, 0.02 if trial.stack == PREFIX_STACKS[-1] else 0.1) for trial in run.trials)
    found = finding_of(replace(run, trials=tuple(quick)))
    assert found.word == "FINDING"
    assert "cached tokens are not reported, TTFT x0.20 [" in found.sentence


def _waits(trial: Trial, seconds: float) -> Trial:
    completion = replace(trial.first.completion, cached_tokens=None, ttft=seconds)
    return replace(trial, attempts=(replace(trial.first, completion=completion),))


@pytest.mark.parametrize(("tasks", "few"), [(1, "1 task is few"), (19, "19 tasks are few"), (20, "")])
def test_few_tasks_are_said_to_be_few(tasks: int, few: str) -> None:
    """Fewer than twenty tasks are said to be few, with what has more."""
    run = sample_run(tasks=tasks, epochs=1)
    said = [limit for limit in limits_of_the_finding(run) if "few" in limit]
    assert said == ([f"{few}: differences that matter may not show."] if few else [])
    smoke = replace(run, header=replace(run.header, settings=replace(run.settings, suite="smoke")))
    assert any("--suite full has 64" in limit for limit in limits_of_the_finding(smoke)) == bool(few)


@settings(max_examples=40)
@given(any_runs())
@example(sample_run(tasks=2, epochs=1, stacks=FACTORIAL))
def test_what_no_run_says(run: Run) -> None:
    """That no code was executed is said of every run, judged or not."""
    for verdict in (None, Verdict("PASS", "")):
        assert any("nothing is executed" in limit for limit in limits_of_the_finding(run, verdict))


@pytest.mark.parametrize(
    ("stacks", "said"),
    [
        (("naive", "optimized"), "differ in several ingredients"),
        (("naive", "naive-with-contract"), ""),
        (FACTORIAL, "The 3 intervals are not corrected for their number"),
        (("naive",), ""),
    ],
)
def test_which_ingredient_is_not_told(stacks: tuple[str, ...], said: str) -> None:
    """Of two stacks that differ in several ingredients it is said that these are not told apart; of a verdict no such thing."""
    run = sample_run(tasks=2, epochs=1, stacks=stacks)
    about = [limit for limit in limits_of_the_finding(run) if "ingredient" in limit or "intervals" in limit]
    assert len(about) == bool(said)
    assert said in "".join(about)
    assert not [limit for limit in limits_of_the_finding(run, Verdict("PASS", "")) if "ingredient" in limit]


def test_a_look_up_in_memory_is_said_to_be_apart() -> None:
    """Where a stack asks memory it is said that neither TTFT nor latency has the look-up in it, and nowhere else."""
    for stacks, said in ((("naive", "optimized"), 1), (("naive",), 0)):
        limits = limits_of_the_finding(sample_run(tasks=1, epochs=1, stacks=stacks))
        assert sum("leave out the look-up in memory" in limit for limit in limits) == said


def test_a_run_that_stopped_early_says_so() -> None:
    """A run that was stopped when its verdict was settled says that its intervals do not allow for it."""
    run = run_of(*(answered(VALID, task=task) for task in TASKS), stopped=5)
    measured = set(run.measured_tasks)
    stopped = replace(run, trials=tuple(trial for trial in run.trials if trial.task in measured))
    assert "It stopped after 5 of 12 tasks" in " ".join(limits_of_the_finding(stopped))


def test_the_disclaimer_of_the_target_comes_first() -> None:
    """What must stand beside the figures of a target is said before anything else, where there is something."""
    assert limits_of_the_finding(sample_run(tasks=1, epochs=1))[0] == "These answers were made by hand."
    assert "" not in limits_of_the_finding(EQUAL)

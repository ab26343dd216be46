"""Floors and their judgement."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.floors import judge, judge_run, judge_stack
from evals.limits import Floor, Limits
from evals.selftest.factories import CUT_OFF, run_of, trial
from evals.stats import share_of

HALF = Floor("optimized", 0.5, "A reason.")


@pytest.mark.parametrize(("share", "verdict"), [(1.0, "PASS"), (0.0, "FAIL"), (0.5, "INCONCLUSIVE"), (0.7, "INCONCLUSIVE")])
def test_the_interval_decides(share: float, verdict: str) -> None:
    """PASS and FAIL need the whole interval on one side of the floor."""
    assert judge(share_of(share, 12, 3), HALF).verdict == verdict


@pytest.mark.parametrize(("valid", "epochs"), [(9, 3), (10, 3), (9, 1), (8, 1), (3, 1)])
def test_an_inconclusive_judgement_says_what_would_settle_it(valid: int, epochs: int) -> None:
    """From the number of tasks that the sentence names on, the same share settles it; with one task less it does not."""
    judgement = judge(share_of(valid / 12, 12, epochs), HALF)
    assert judgement.verdict == "INCONCLUSIVE"
    tasks = int(judgement.sentence.rpartition("the same, ")[2].split()[0])
    assert not settles(valid / 12, tasks - 1, epochs)
    assert all(settles(valid / 12, more, epochs) for more in range(tasks, tasks + 40))


def settles(share: float, tasks: int, epochs: int) -> bool:
    """Whether so many tasks settle it, with the whole numbers of valid tasks that lie around the share."""
    counts = {math.floor(share * tasks), math.ceil(share * tasks)} if epochs == 1 else {share * tasks}
    return all(judge(share_of(count / tasks, tasks, epochs), HALF).verdict != "INCONCLUSIVE" for count in counts)


def test_nothing_valid_points_at_the_reasons() -> None:
    """When no answer was valid, more tasks are not what is missing."""
    sentence = judge(share_of(0.0, 12, 3), Floor("optimized", 0.1, "A reason.")).sentence
    assert "look at the reasons (-rx) first" in sentence


def test_a_stack_without_a_floor_is_not_judged() -> None:
    """Without a floor the share and its interval are said, and no verdict is given."""
    judgement = judge_stack([trial(True, task=task) for task in "abc"], None, "")
    assert (judgement.verdict, judgement.sentence) == ("NOT JUDGED", "100% valid [29%, 100%] over 3 tasks; it has no floor")


@pytest.mark.parametrize("floor", [HALF, None])
def test_a_flawed_run_is_inconclusive(floor: Floor | None) -> None:
    """A run with gaps or faults is inconclusive, whatever its trials show and whether or not there is a floor."""
    trials = [trial(True, task=str(number)) for number in range(100)]
    assert judge_stack(trials, floor, "a partial run").verdict == "INCONCLUSIVE"


@pytest.mark.parametrize(("cut", "verdict"), [(12, "INCONCLUSIVE"), (9, "INCONCLUSIVE"), (1, "FAIL"), (0, "FAIL")])
def test_cut_off_answers_are_no_reason_to_fail(cut: int, verdict: str) -> None:
    """A stack fails only if it would even with every answer valid that was cut off; else the limit is named, not the prompt."""
    whole = [trial(False, task=f"w{number}") for number in range(12 - cut)]
    short = [trial(False, task=f"s{number}") for number in range(cut)]
    short = [replace(one, attempts=(replace(one.first, outcome=CUT_OFF),)) for one in short]
    judgement = judge_stack(whole + short, HALF, "")
    assert judgement.verdict == verdict
    assert (f"{cut} answer(s) were cut off" in judgement.sentence) is (verdict == "INCONCLUSIVE")
    assert judgement.share is not None
    assert judgement.share.value == 0


def test_nothing_measured_is_inconclusive() -> None:
    """Without a single trial nothing is judged."""
    assert judge_stack([], HALF, "").verdict == "INCONCLUSIVE"


def test_a_share_on_the_floor_is_never_settled() -> None:
    """When the share equals the floor no number of tasks is promised."""
    assert "would not settle it" in judge(share_of(0.5, 12, 3), HALF).sentence


@given(valid=st.integers(1, 12), floor=st.floats(0.01, 0.99))
def test_one_more_invalid_task_never_improves_the_verdict(valid: int, floor: float) -> None:
    """Verdicts only get worse as tasks are lost."""
    order = ["FAIL", "INCONCLUSIVE", "PASS"]
    limit = Floor("optimized", floor, "A reason.")
    better, worse = (judge(share_of(count / 12, 12, 3), limit).verdict for count in (valid, valid - 1))
    assert order.index(worse) <= order.index(better)


def test_the_article_judges_nothing() -> None:
    """The one task of the published comparison is reported, with or without a floor, and never judged."""
    run = run_of({"dashboard-card": [False] * 3}, stack="optimized")
    article = replace(run, header=replace(run.header, settings=replace(run.settings, suite="article")))
    (judgement,) = judge_run(article, Limits((HALF,))).values()
    assert judgement.verdict == "NOT JUDGED"
    assert judgement.sentence.endswith("over 1 task; the article's one task is too few to judge anything")
    assert judge_run(run, Limits((HALF,))) != {next(iter(run.settings.series)): judgement}

"""The sentences that a page begins and ends with hold figures, too: each is computed once more from the saved run."""

from __future__ import annotations

from typing import Any

import pytest

from evals.selftest.report import recount
from evals.selftest.report.page_reader import Page
from evals.selftest.report.read_twice import GOALS, STACKS, whole_report
from evals.selftest.report.recount import percent

Whole = tuple[dict[str, Any], Page]


@pytest.fixture(params=[0, 7])
def whole(request: pytest.FixtureRequest) -> Whole:
    """Two runs in which nothing went wrong."""
    return whole_report(request.param)


def test_finding(whole: Whole) -> None:
    """The finding on two stacks has the change of valid answers and of TTFT with their intervals, and is only called one where
    the interval leaves out zero and the exact test says so, too.
    """
    before, now = (recount.answered(whole[0], stack, "warm") for stack in STACKS)
    rates = [recount.task_rates(trials, GOALS["schema-valid"]) for trials in (before, now)]
    changes = [float(rates[1][task] - rates[0][task]) for task in rates[0]]
    (value, low, high), p = recount.mean_with_interval(changes), recount.no_change_p(changes)
    logarithms = recount.log_ratios(recount.task_medians(before, recount.ttft), recount.task_medians(now, recount.ttft))
    times, ttft_p = recount.hodges_lehmann(list(logarithms.values()), 0.025), recount.no_change_p(list(logarithms.values()))
    # Holm's correction of two tests: the smaller p-value is doubled.
    tested, ttft_tested = (one * (2 if one == min(p, ttft_p) else 1) <= 0.05 for one in (p, ttft_p))
    more = {1: "gives more valid answers than", -1: "gives fewer valid answers than"}
    side = ((low > 0) - (high < 0)) * tested
    ttft_side = ((times[1] > 1) - (times[2] < 1)) * ttft_tested
    shorter = {1: "its TTFT is longer", -1: "its TTFT is shorter", 0: "its TTFT is not shown to differ"}
    assert whole[1].finding == (
        f"{'FINDING' if side or ttft_side else 'NOT SHOWN'} optimized"
        f" {more.get(side, 'is not shown to differ in valid answers from')} naive, {recount.points(value, low, high)} points"
        f" (p {recount.p_text(p)}), and {shorter[ttft_side]}, {recount.ratio(*times)} (p {recount.p_text(ttft_p)});"
        " over 16 tasks, warm, corrected for 2 tests"
    )


@pytest.mark.parametrize("stack", STACKS)
def test_floors(whole: Whole, stack: str) -> None:
    """The share of valid answers that is held against a floor is that of the saved run."""
    _, *rows = whole[1].sections["The share of valid answers against its floor"].table("series")
    rates = recount.task_rates(recount.answered(whole[0], stack, "warm"), GOALS["schema-valid"])
    share, low, high = recount.share_with_interval(list(rates.values()), 2)
    (told,) = [sentence for series, _, sentence in rows if series == f"{stack}-warm"]
    assert told.startswith(f"{percent(share)} valid [{percent(low)}, {percent(high)}] over 16 tasks")

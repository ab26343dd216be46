"""What the page says of each ingredient, computed once more from the saved run."""

from __future__ import annotations

import functools
import math
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from evals.selftest.report import recount
from evals.selftest.report.page_reader import Page
from evals.selftest.report.read_twice import PIXEL, report_files
from evals.selftest.report.recount import Trial, reaches
from evals.selftest.report.recount_stacks import SUMMARY, cause
from evals.selftest.report.sample import sample_run
from evals.selftest.report.troubled import troubled

STACKS = ("naive", "naive-with-contract", "naive-with-retry", "optimized", "optimized-without-contract", "optimized-without-retry")
INGREDIENTS = {
    "contract": (("naive", "naive-with-contract"), ("optimized-without-contract", "optimized")),
    "retry": (("naive", "naive-with-retry"), ("optimized-without-retry", "optimized")),
    "memory instead of history": (
        ("naive-with-contract", "optimized-without-retry"),
        ("naive-with-retry", "optimized-without-contract"),
    ),
}
"""By ingredient the pairs of stacks that differ in it alone: without it, and with it."""

Pairs = tuple[tuple[str, str], ...]
Estimate = tuple[float, float, float]


@functools.cache
def ablation(*, whole: bool) -> tuple[dict[str, Any], Page]:
    """A saved ablation and its page; it is ``whole``, or something went wrong in it."""
    run = sample_run(tasks=12, epochs=2, stacks=STACKS, regimes=("warm", "cold"), seed=2)
    with tempfile.TemporaryDirectory() as folder:
        (saved,), html = report_files(Path(folder), run if whole else troubled(run))
    return saved, Page(html)


@pytest.fixture(params=["warm", "cold"])
def regime(request: pytest.FixtureRequest) -> str:
    """Both regimes."""
    return str(request.param)


def answered(regime: str, stack: str, *, whole: bool = False) -> list[Trial]:
    """The trials of a stack that have an answer."""
    return recount.answered(ablation(whole=whole)[0], stack, regime)


def averaged(pairs: Pairs, value: Callable[[str], dict[str, float]]) -> list[float]:
    """What changed from the first stack of the pairs to the second, for every task that all of them have, as a mean over pairs."""
    sides = [(value(before), value(after)) for before, after in pairs]
    tasks = [task for task in sides[0][0] if all(task in side for both in sides for side in both)]
    return [fmean(after[task] - before[task] for before, after in sides) for task in tasks]


def share_change(regime: str, pairs: Pairs, rung: str, *, whole: bool = False) -> Estimate:
    """How the share of answers on a rung changed."""

    def rates(stack: str) -> dict[str, float]:
        found = recount.task_rates(answered(regime, stack, whole=whole), reaches(rung))
        return {task: float(rate) for task, rate in found.items()}

    return recount.mean_with_interval(averaged(pairs, rates))


def prompt_ratio(regime: str, pairs: Pairs) -> float:
    """The geometric mean over tasks of the ratios of their mean prompts."""

    def logarithms(stack: str) -> dict[str, float]:
        by_task = recount.by_task(answered(regime, stack))
        return {task: math.log(fmean(map(recount.prompt_tokens, trials))) for task, trials in by_task.items()}

    return math.exp(fmean(averaged(pairs, logarithms)))


def ttft_ratio(regime: str, pairs: Pairs) -> Estimate:
    """The Hodges-Lehmann estimate of the ratio of TTFT over tasks."""

    def logarithms(stack: str) -> dict[str, float]:
        medians = recount.task_medians(answered(regime, stack), recount.ttft)
        return {task: math.log(seconds) for task, seconds in medians.items()}

    return recount.hodges_lehmann(averaged(pairs, logarithms), 0.025)


def price_ratio(regime: str, pairs: Pairs) -> Estimate:
    """The ratio of the tokens that each valid answer took."""
    before, after = ([answered(regime, stack) for stack in side] for side in zip(*pairs, strict=True))
    return recount.jackknife(before, after)


FORESTS: dict[str, Callable[[str, Pairs], Estimate]] = {
    "schema-valid answers, difference in points": lambda regime, pairs: share_change(regime, pairs, "schema-valid"),
    "strict JSON, difference in points": lambda regime, pairs: share_change(regime, pairs, "strict JSON"),
    "TTFT, ratio": ttft_ratio,
    "tokens per valid answer, ratio": price_ratio,
}


def rows() -> list[tuple[str, Pairs]]:
    """Every ingredient, and below it that from each of its ends alone."""
    found: list[tuple[str, Pairs]] = []
    for name, pairs in INGREDIENTS.items():
        found += [(name, pairs), *((f"from {pair[0]}", (pair,)) for pair in pairs)]
    return found


@pytest.mark.parametrize("title", FORESTS)
def test_forests(regime: str, title: str) -> None:
    """A forest has every ingredient and its ends, each with its change and interval as words in the table and marks in the plot."""
    figure = ablation(whole=False)[1].sections[f"Which ingredient did it, {regime}"].figures[title]
    for (name, pairs), row, cells in zip(rows(), figure.rows(), figure.table[1:], strict=True):
        estimate = FORESTS[title](regime, pairs)
        in_points = title.endswith("points")
        assert cells == (row.label, row.shown) == (name, (recount.points if in_points else recount.ratio)(*estimate))
        value, *ends = (figure.place(100 * one if in_points else one) for one in estimate)
        assert row.points == pytest.approx((value,), abs=PIXEL)
        assert row.line == pytest.approx(ends, abs=PIXEL)


def test_forest_of_prompts(regime: str) -> None:
    """The forest of prompt tokens has the ratio of every ingredient and its ends, without an interval."""
    figure = ablation(whole=False)[1].sections[f"Which ingredient did it, {regime}"].figures["prompt tokens, ratio"]
    for (name, pairs), row, cells in zip(rows(), figure.rows(), figure.table[1:], strict=True):
        value = prompt_ratio(regime, pairs)
        assert cells == (row.label, row.shown) == (name, f"x{value:.2f}")
        assert row.points == pytest.approx((figure.place(value),), abs=PIXEL)
        assert row.line is None


def whole_points(value: float, low: float, high: float) -> str:
    """A difference in whole points, as the table has it."""
    return f"{100 * value:+.0f} [{100 * low:+.0f}, {100 * high:+.0f}]"


def test_table_of_ingredients(regime: str) -> None:
    """The table of ingredients has what the forests have."""
    expected = [
        (
            name if len(pairs) > 1 else f"- {name}",
            *(whole_points(*share_change(regime, pairs, rung)) for rung in ("strict JSON", "schema-valid")),
            f"x{prompt_ratio(regime, pairs):.2f}",
            recount.ratio(*ttft_ratio(regime, pairs)),
            recount.ratio(*price_ratio(regime, pairs)),
        )
        for name, pairs in rows()
    ]
    section = ablation(whole=False)[1].sections[f"Which ingredient did it, {regime}"]
    header = ("what was changed alone", "strict JSON", "schema-valid", "prompt tokens", "TTFT", "tokens per valid")
    assert section.table(header[0]) == [header, *expected]


def test_sentence_on_ingredients(regime: str) -> None:
    """The sentence on the ingredients has the change of each."""
    changes = {name: share_change(regime, pairs, "schema-valid") for name, pairs in INGREDIENTS.items()}
    told = "; ".join(f"{name}: {whole_points(*change)}" for name, change in changes.items())
    sentences = ablation(whole=False)[1].sections[f"Which ingredient did it, {regime}"].sentences
    assert sentences[0] == f"schema-valid answers, {regime}: {told}."


def test_finding() -> None:
    """The finding names the ingredients whose interval leaves out zero, with their changes, and counts the others."""
    changes = {name: share_change("warm", pairs, "schema-valid", whole=True) for name, pairs in INGREDIENTS.items()}
    shown = {name: change for name, change in changes.items() if change[1] > 0 or change[2] < 0}
    told = ", ".join(f"{name} {whole_points(*change)}" for name, change in shown.items())
    assert 0 < len(shown) < len(changes) - 1
    assert ablation(whole=True)[1].finding == (
        f"FINDING changes the share of valid answers, in points: {told}, over 12 tasks, warm,"
        f" corrected for {len(changes)} ingredients; {len(changes) - len(shown)} others are not shown to"
    )


SHORT = {
    "n": "trials (n)",
    "prompt tokens": "prompt tokens, median",
    "cached": "of them cached, median",
    "TTFT p50": "TTFT p50",
    "latency p50": "latency p50",
    "strict JSON": "strict JSON at first try",
    "valid, 1st": "valid at first try",
    "valid": "valid after retry",
    "parses": "code parses after retry",
    "obeys": "obeys every preference",
    "tokens per valid": "tokens per valid answer",
}
"""The columns of the table of many stacks, by the titles that two stacks have them under."""


def test_table_of_stacks(regime: str) -> None:
    """The table of more than two stacks has a line for each, with its figures."""
    expected = []
    for stack in STACKS:
        found = [(SUMMARY[title][0](answered(regime, stack)), SUMMARY[title][1]) for title in SHORT.values()]
        expected.append((stack, *("-" if value is None else show(value) for value, show in found)))
    section = ablation(whole=False)[1].sections[f"The stacks side by side, {regime} prefix cache"]
    header = (f"{regime} prefix cache", *SHORT)
    assert section.table(header[0]) == [header, *expected]


def test_causes(regime: str) -> None:
    """The causes of all stacks are counted together, at the first try and after the retry."""
    trials = [trial for stack in STACKS for trial in answered(regime, stack)]
    tried, corrected = (Counter(filter(None, (cause(trial, attempt) for trial in trials))) for attempt in (0, -1))
    section = ablation(whole=False)[1].sections[f"The stacks side by side, {regime} prefix cache"]
    (told,) = [one for one in section.sentences if one.startswith("causes in all stacks, first try > after retry: ")]
    counts = re.findall(r"(?:: |, )(\D+?) (\d+) > (\d+)", told.removeprefix("causes in all stacks, first try > after retry"))
    assert {name: (int(first), int(last)) for name, first, last in counts} == {one: (tried[one], corrected[one]) for one in tried}

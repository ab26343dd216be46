"""The page's figures are those of the saved run: each is computed once more from the saved JSON, and read off the page's HTML."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from evals.selftest.report import recount
from evals.selftest.report.page_reader import Page, markdown_tables
from evals.selftest.report.read_twice import GOALS, PIXEL, STACKS, Read
from evals.selftest.report.recount import count, milliseconds, percent


def shares(read: Read, goal: str) -> dict[str, tuple[float, float, float]]:
    """By stack the share of answers that reached a goal, with its interval."""
    rates = {stack: recount.task_rates(trials, GOALS[goal]) for stack, trials in read.trials.items()}
    return {stack: recount.share_with_interval(list(found.values()), read.epochs) for stack, found in rates.items()}


@pytest.mark.parametrize("goal", GOALS)
def test_shares_in_tables(read: Read, goal: str) -> None:
    """The table of a share holds its value, its interval, and how many tasks and trials it is of, for every stack."""
    expected = [
        (
            stack,
            percent(share),
            f"{percent(low)} to {percent(high)}",
            str(len(recount.by_task(read.trials[stack]))),
            str(len(read.trials[stack])),
        )
        for stack, (share, low, high) in shares(read, goal).items()
    ]
    assert read.section.figures[f"{goal}, share of answers"].table[1:] == expected


@pytest.mark.parametrize("goal", GOALS)
def test_shares_in_plots(read: Read, goal: str) -> None:
    """The plot of a share has a point at the value and a line over the interval of every stack, and says both."""
    figure = read.section.figures[f"{goal}, share of answers"]
    rows = figure.rows()
    for row, (stack, (share, low, high)) in zip(rows, shares(read, goal).items(), strict=True):
        assert (row.label, row.shown) == (stack, f"{percent(share)} [{percent(low)}, {percent(high)}]")
        assert row.points == pytest.approx((figure.place(share),), abs=PIXEL)
        assert row.line == pytest.approx((figure.place(low), figure.place(high)), abs=PIXEL)
    assert figure.alternative == f"{figure.title}: {'; '.join(f'{row.label} {row.shown}' for row in rows)}."


def test_that_goals_differ(read: Read) -> None:
    """The sample has another share of answers for every goal, or a page that took one for another would pass."""
    assert len({shares(read, goal)["naive"][0] for goal in GOALS if goal != "valid at first try"}) == len(GOALS) - 1
    assert shares(read, "valid at first try")["optimized"] != shares(read, "schema-valid")["optimized"]


@dataclass(frozen=True)
class Measure:
    """What is measured of a trial, and how the report writes it; its plot is drawn in ``scale`` times its unit."""

    value: recount.Value
    show: Callable[[float], str]
    scale: float


MEASURES = {
    "prompt tokens of the first attempt": Measure(recount.prompt_tokens, count, 1),
    "tokens of a trial, all attempts": Measure(recount.all_tokens, count, 1),
    "TTFT": Measure(recount.ttft, milliseconds, 1000),
    "latency of a trial": Measure(recount.latency, milliseconds, 1000),
    "look-up in memory": Measure(recount.retrieval, milliseconds, 1000),
}


def measured(read: Read, title: str) -> dict[str, list[float]]:
    """By stack what was measured of its trials; only the stacks that have something."""
    found = {stack: recount.values_of(trials, MEASURES[title].value) for stack, trials in read.trials.items()}
    return {stack: values for stack, values in found.items() if values}


def middle(read: Read, title: str, stack: str) -> tuple[float, float, float]:
    """The median of the medians of the tasks, with its interval."""
    found = recount.median_with_interval(list(recount.task_medians(read.trials[stack], MEASURES[title].value).values()))
    assert found[1] is not None
    return found


@pytest.mark.parametrize("title", MEASURES)
def test_distributions_in_tables(read: Read, title: str) -> None:
    """The table of a distribution holds its number of trials and tasks, its least, middle, slow and greatest value, and the median
    of the tasks with its interval, for every stack that has a value.
    """
    show, expected = MEASURES[title].show, []
    for stack, values in measured(read, title).items():
        centre, low, high = middle(read, title, stack)
        spread = [show(float(np.percentile(values, share))) for share in (0, 50, 95, 100)]
        tasks = recount.task_medians(read.trials[stack], MEASURES[title].value)
        expected.append((stack, str(len(values)), str(len(tasks)), *spread, show(centre), f"{show(low)} to {show(high)}"))
    header = ("stack", "trials", "tasks", "least", "p50", "p95", "most", "median of tasks", "95 % interval")
    assert read.section.figures[title].table == [header, *expected]


@pytest.mark.parametrize("title", MEASURES)
def test_dots(read: Read, title: str) -> None:
    """The plot of a distribution has a dot for every trial, at its value and in its stack's row, but where two values are less than
    a pixel apart; and no others.
    """
    figure, scale = read.section.figures[title], MEASURES[title].scale
    for row, (stack, values) in zip(figure.rows(), measured(read, title).items(), strict=True):
        assert row.label == stack
        left = without_dots([figure.place(scale * value) for value in values], row.points)
        assert all(any(0.01 < abs(place - dot) < 1 for dot in row.points) for place in left)


def without_dots(places: list[float], dots: Sequence[float]) -> list[float]:
    """The places of values that have no dot of their own. Every dot must be at one of them."""
    left = sorted(places)
    for dot in dots:
        nearest = min(left, key=lambda place: abs(place - dot))
        assert nearest == pytest.approx(dot, abs=0.01)
        left.remove(nearest)
    return left


@pytest.mark.parametrize("title", MEASURES)
def test_middles_in_plots(read: Read, title: str) -> None:
    """The plot of a distribution has a line at the median of every stack's tasks and a field over its interval, and says both."""
    figure, measure = read.section.figures[title], MEASURES[title]
    for row in figure.rows():
        centre, *ends = middle(read, title, row.label)
        written = ", ".join(measure.show(end).removesuffix(" ms") for end in ends)
        assert row.shown == f"{measure.show(centre)} [{written}]"
        assert row.middle == pytest.approx(figure.place(measure.scale * centre), abs=PIXEL)
        assert row.field == pytest.approx([figure.place(measure.scale * end) for end in ends], abs=PIXEL)


def test_colours(read: Read) -> None:
    """A stack has one colour in all plots, and another one than the other stack."""
    figures = [figure for title, figure in read.section.figures.items() if "where the latency" not in title]
    by_stack = {stack: {row.colours for figure in figures for row in figure.rows() if row.label == stack} for stack in STACKS}
    assert [len(found) for found in by_stack.values()] == [1, 1]
    assert by_stack["naive"] != by_stack["optimized"]


def test_number_of_trials(report: tuple[dict[str, Any], Page, str]) -> None:
    """The head of the page says how many trials have an answer, and of which run they are."""
    saved, page, _ = report
    asked, answers = saved["settings"], sum(bool(trial["attempts"]) for trial in saved["trials"])
    epochs = f"{asked['epochs']} epoch{'s' if asked['epochs'] > 1 else ''}"
    assert page.facts["n"] == f"{answers} answered trials: {len(asked['tasks'])} tasks x 2 stacks x {epochs}, warm and cold"
    assert page.facts["run"] == saved["run"]
    assert page.facts["begun"] == f"{min(trial['started'] for trial in saved['trials'])[:16].replace('T', ' ')} UTC"


def test_fingerprint(report: tuple[dict[str, Any], Page, str]) -> None:
    """The page lists the whole fingerprint."""
    _, *rows = report[1].sections["What was measured with what"].table("fingerprint")
    told = [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in flat(report[0]["fingerprint"])]
    assert rows == told


def flat(values: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """The values of nested objects, under their names joined by dots."""
    nested = [
        flat(value, f"{before}{name}.") if isinstance(value, dict) else [(f"{before}{name}", value)]
        for name, value in values.items()
    ]
    return [one for found in nested for one in found]


def test_markdown(report: tuple[dict[str, Any], Page, str]) -> None:
    """The report in Markdown has the same tables with the same cells in the same order."""
    assert markdown_tables(report[2]) == tables_in_order(report[1])


def tables_in_order(page: Page) -> Sequence[list[tuple[str, ...]]]:
    """The tables of the page but for that of the trials, which a script fills: in every section those of its plots first."""
    sections = [section for title, section in page.sections.items() if title != "All trials"]
    return [table for section in sections for table in (*(figure.table for figure in section.figures.values()), *section.tables)]


def test_order_of_tables(report: tuple[dict[str, Any], Page, str]) -> None:
    """On the page, too, the plots of a section stand before its tables."""
    for section in report[1].root.iter("section"):
        drawn = {table for figure in section.iter("figure") for table in figure.iter("table")}
        of_plots = [table in drawn for table in section.iter("table")]
        assert of_plots == sorted(of_plots, reverse=True)

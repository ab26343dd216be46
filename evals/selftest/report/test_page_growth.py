"""What the page says of growth: the medians of every size, computed once more from the saved run."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.stacks import GROWTH_STACKS
from evals.selftest.report import recount
from evals.selftest.report.page_reader import Page
from evals.selftest.report.read_twice import report_files
from evals.selftest.report.recount import Trial, count, milliseconds
from evals.selftest.report.sample import sample_run
from evals.selftest.report.troubled import troubled


@functools.cache
def growth() -> tuple[dict[str, Any], Page]:
    """A saved run of the study of growth, in which something went wrong, and its page."""
    run = sample_run(tasks=10, epochs=2, stacks=GROWTH_STACKS, seed=3)
    run = replace(run, header=replace(run.header, settings=replace(run.settings, study="growth")))
    with tempfile.TemporaryDirectory() as folder:
        (saved,), html = report_files(Path(folder), troubled(run))
    return saved, Page(html)


def first_token(trial: Trial) -> float | None:
    """The seconds to the first text, the look-up in memory included, where times count."""
    seconds = recount.ttft(trial)
    return None if seconds is None else seconds + (recount.retrieval(trial) or 0.0)


QUANTITIES: dict[str, tuple[recount.Value, Callable[[float], str]]] = {
    "prompt tokens": (recount.prompt_tokens, count),
    "TTFT": (recount.ttft, milliseconds),
    "first token, look-up included": (first_token, milliseconds),
    "look-up in memory": (recount.retrieval, milliseconds),
}


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("axis", ["turns", "memories"])
def test_curves(axis: str, quantity: str) -> None:
    """The table of a curve has the median over the trials of every size that has a value."""
    value, show = QUANTITIES[quantity]
    expected = []
    for stack in GROWTH_STACKS:
        family, size, grown = stack.split("-")
        values = recount.values_of(recount.answered(growth()[0], stack, "warm"), value)
        if grown == axis and values:
            trials = len(recount.answered(growth()[0], stack, "warm"))
            expected.append((family, f"{int(size):,}", show(float(np.median(values))), f"{trials:,}"))
    figure = growth()[1].sections["What grows, warm prefix cache"].figures[f"{quantity} by {axis}"]
    assert figure.table == [("stack", axis, quantity, "trials"), *expected]
    told = "; ".join(f"{family} at {size} {shown}" for family, size, shown, _ in expected)
    assert figure.alternative.startswith(f"{figure.title}: {told}. ")

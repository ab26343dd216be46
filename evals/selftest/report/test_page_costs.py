"""What the page says of costs: the parts of the difference in latency, the table of the stacks, and the prefix cache."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from evals.selftest.report import recount
from evals.selftest.report.page_reader import Figure, Page
from evals.selftest.report.read_twice import PIXEL, STACKS, Read
from evals.selftest.report.recount import Trial, percent
from evals.selftest.report.recount_stacks import SUMMARY, cached, cause, decoded, prefill

PARTS = ("prefill (to the first token)", "output length", "decode speed", "retry", "in all")


def split(first: Trial, second: Trial) -> tuple[float, float, float, float, float]:
    """The parts of the difference in latency of two trials: a change of tokens counts by the mean seconds for each, and a change of
    the seconds for each by the mean number of tokens.
    """
    calls = recount.first(first), recount.first(second)
    (tokens, seconds), (more, longer) = map(decoded, calls)
    whole = [recount.whole_latency(first), recount.whole_latency(second)]
    retries = [total - call["latency"] for total, call in zip(whole, calls, strict=True)]
    length, speed = longer - seconds, 0.0
    if tokens and more:
        pace, slower = seconds / tokens, longer / more
        length, speed = (more - tokens) * (pace + slower) / 2, (slower - pace) * (tokens + more) / 2
    return prefill(calls[1]) - prefill(calls[0]), length, speed, retries[1] - retries[0], whole[1] - whole[0]


def parts_of_latency(read: Read) -> dict[str, float]:
    """The means of the parts of the difference, in milliseconds."""
    pairs = recount.pairs_of_trials(*read.trials.values())
    means = np.mean([split(*pair) for pair in pairs], axis=0)
    return dict(zip(PARTS, (1000 * means).tolist(), strict=True))


def latency_figure(read: Read) -> Figure:
    """The plot that takes the difference in latency apart."""
    return read.section.figures["where the latency of optimized - naive comes from"]


def test_parts_of_latency(read: Read) -> None:
    """The parts of the difference in latency are the means of the differences of pairs of trials, in the table and the plot."""
    figure, parts = latency_figure(read), parts_of_latency(read)
    assert figure.table[1:] == [(name, f"{value:+,.1f} ms") for name, value in parts.items()]
    for row, (name, value) in zip(figure.rows(), parts.items(), strict=True):
        assert (row.label, row.shown) == (name, f"{value:+,.1f} ms")
        assert row.line == pytest.approx((figure.place(0), figure.place(value)), abs=PIXEL)


def test_sum_of_the_parts_of_latency(read: Read) -> None:
    """The bars of the parts of the difference in latency are together as long as that of the whole, which stands last."""
    *parts, whole = [row.line[1] - row.line[0] for row in latency_figure(read).rows() if row.line is not None]
    assert len(parts) == len(PARTS) - 1
    assert sum(parts) == pytest.approx(whole, abs=PIXEL)


def test_pairs_of_latency(read: Read) -> None:
    """Beside the parts of the difference stands how many pairs of trials they are means of."""
    pairs = list(recount.pairs_of_trials(*read.trials.values()))
    assert latency_figure(read).note.startswith(f"Mean differences over {len(pairs)} pairs of trials of the same task and epoch")


def test_sentence_on_latency(read: Read) -> None:
    """The sentence on the difference in latency holds the same parts."""
    *parts, whole = parts_of_latency(read).values()
    names = ("prefill", "output length", "decode speed", "retry")
    told = ", ".join(f"{name} {value:+,.1f}" for name, value in zip(names, parts, strict=True))
    assert f"latency of optimized - naive, mean: {whole:+,.1f} ms = {told}" in read.section.sentences


def test_summary(read: Read) -> None:
    """The table of the stacks holds every figure of both and their ratio."""
    expected = []
    for title, (value, show, has_ratio) in SUMMARY.items():
        before, now = (value(trials) for trials in read.trials.values())
        cells = ("-" if one is None else show(one) for one in (before, now))
        compared = "-" if before is None or now is None else f"{now / before:.2f}"
        expected.append((title, *cells, compared if has_ratio else ""))
    header = (f"{read.regime} prefix cache", "naive", "optimized", "optimized / naive")
    assert read.section.table(header[0]) == [header, *expected]


def test_causes(read: Read) -> None:
    """The table of causes counts every cause that there is, at the first try and after the retry."""
    title, *stacks = "causes, first try > after retry", *STACKS
    counts = [[Counter(cause(trial, attempt) for trial in read.trials[stack]) for attempt in (0, -1)] for stack in stacks]
    causes = {one for of_stack in counts for of_attempt in of_stack for one in of_attempt if one is not None}
    expected = {one: tuple(f"{tried[one]} > {corrected[one]}" for tried, corrected in counts) for one in causes}
    (header, *rows) = read.section.table(title)
    assert header == (title, *stacks)
    assert {name: tuple(cells) for name, *cells in rows} == expected
    assert len(rows) == len(expected)


def test_prefix_cache_shares(report: tuple[dict[str, Any], Page, str]) -> None:
    """The share of a stack's prompts that came from the cache is the mean over tasks of the share of their tokens."""
    figure = report[1].sections["What the prefix cache saves"].figures["prompt tokens from the cache, share"]
    expected = [(f"{stack}, {regime}", cached_share(report[0], stack, regime)) for stack in STACKS for regime in ("warm", "cold")]
    assert figure.table[1:] == [(label, percent(share)) for label, share in expected]
    for row, (label, share) in zip(figure.rows(), expected, strict=True):
        assert row.label == label
        assert row.line == pytest.approx((figure.place(0), figure.place(share)), abs=PIXEL)


def cached_share(saved: dict[str, Any], stack: str, regime: str) -> float:
    """The mean over tasks of the share of prompt tokens that came from the cache, where the server says so."""
    counted = [trial for trial in recount.answered(saved, stack, regime) if cached(trial) is not None]
    tokens = recount.by_task(counted).values()
    shares = [sum(cached(one) or 0 for one in tried) / sum(map(recount.prompt_tokens, tried)) for tried in tokens]
    return float(np.mean(shares))


def test_prefix_cache_ratios(report: tuple[dict[str, Any], Page, str]) -> None:
    """The ratio of TTFT with the cache to that without is the Hodges-Lehmann estimate over tasks, with its interval."""
    figure = report[1].sections["What the prefix cache saves"].figures["TTFT, warm against cold, ratio"]
    for row, cells, stack in zip(figure.rows(), figure.table[1:], STACKS, strict=True):
        warm, cold = (recount.task_medians(recount.answered(report[0], stack, one), recount.ttft) for one in ("warm", "cold"))
        estimate = recount.hodges_lehmann(list(recount.log_ratios(cold, warm).values()), 0.025)
        assert cells == (row.label, row.shown) == (stack, recount.ratio(*estimate))
        assert [*row.points, *(row.line or ())] == pytest.approx([figure.place(one) for one in estimate], abs=PIXEL)


def test_prefix_cache_table(report: tuple[dict[str, Any], Page, str]) -> None:
    """The table of the prefix cache holds the shares, and the medians of the tasks' TTFT."""
    _, *rows = report[1].sections["What the prefix cache saves"].table("prefix cache: warm, cold")
    for row, stack in zip(rows, STACKS, strict=True):
        both = [recount.answered(report[0], stack, regime) for regime in ("warm", "cold")]
        medians = [float(np.median(list(recount.task_medians(trials, recount.ttft).values()))) for trials in both]
        shares = ", ".join(percent(cached_share(report[0], stack, regime)) for regime in ("warm", "cold"))
        assert row[:3] == (stack, shares, ", ".join(f"{1000 * seconds:,.1f}" for seconds in medians))

"""The published comparison beside a run's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from evals.grid import block_lines
from evals.published import PUBLISHED, fisher_p, published_blocks
from evals.run import Run, ServedTarget
from evals.selftest.factories import header, settings, trial


def article_run(naive: Sequence[bool], optimized: Sequence[bool], *, suite: str | None = "article") -> Run:
    """A run of the article's task in as many epochs as there are outcomes."""
    asked = replace(settings("dashboard-card", stacks=("naive", "optimized"), epochs=len(naive)), suite=suite)
    trials = [
        trial(valid, task="dashboard-card", stack=stack, epoch=epoch)
        for stack, outcomes in (("naive", naive), ("optimized", optimized))
        for epoch, valid in enumerate(outcomes, 1)
    ]
    return Run(header(asked), tuple(trials), {})


def test_the_published_difference_is_not_significant() -> None:
    """0 of 3 against 3 of 3 has Fisher's p = 0.10, two-sided: 2 of the 20 tables with these margins."""
    assert fisher_p((0, 3), (3, 3)) == pytest.approx(2 / 20)
    assert (PUBLISHED["naive"].valid, PUBLISHED["optimized"].valid, PUBLISHED["naive"].runs) == (0, 3, 3)


def test_both_are_told_with_n_and_intervals() -> None:
    """The table has both comparisons with their n, and shares with their exact intervals."""
    text = "\n".join(block_lines(published_blocks(article_run([True, False, False], [True] * 3)), 140))
    assert "published: valid JSON in 0 of 3 and 3 of 3 runs, Fisher p = 0.10; here: 1 of 3 and 3 of 3, p = 0.40." in text
    assert "0 of 3 [0%, 71%]" in text
    assert "1 of 3 [1%, 91%]" in text
    assert "100 [100, 100]" in text


def test_no_p_value_is_zero() -> None:
    """A p-value that two digits cannot tell from 0 is said to be less than 0.01."""
    (sentence, *_) = block_lines(published_blocks(article_run([False] * 9, [True] * 9)), 140)
    assert "here: 0 of 9 and 9 of 9, p < 0.01." in sentence


def test_another_model_is_not_comparable() -> None:
    """A run of another model than the published one says first that no figure can be compared."""
    run = article_run([True] * 3, [True] * 3)
    (first, *_) = [line for line in block_lines(published_blocks(run), 140) if line.startswith("not comparable:")]
    assert "No time, token count or share can be compared" in first
    gemma = ServedTarget("ollama", "gemma3:4b", "Ollama 0.33.0", 4096, "")
    same = replace(run, header=replace(run.header, target=gemma))
    assert "can be compared" not in "\n".join(block_lines(published_blocks(same), 140))


@pytest.mark.parametrize("suite", ["smoke", "full", None])
def test_other_suites_have_no_published_table(suite: str | None) -> None:
    """Only the article's task was published."""
    assert published_blocks(article_run([True], [True], suite=suite)) == []


def test_nothing_is_told_of_a_stack_that_was_not_measured() -> None:
    """Without an answer of both stacks there is no table."""
    run = article_run([True], [True])
    assert published_blocks(replace(run, trials=run.trials[:1])) == []

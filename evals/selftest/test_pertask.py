"""Single tasks in two runs."""

from __future__ import annotations

import statistics
from dataclasses import replace

from hypothesis import given, settings

from evals.flips import Tally
from evals.pertask import task_rows
from evals.run import Run
from evals.schedule import Series
from evals.selftest.factories import EMPTY, VALID
from evals.selftest.run_pairs import SYNTAX, answered, any_pairs, outcomes_run, record

SERIES = Series("optimized", "warm")
NAIVE = Series("naive", "warm")


@given(any_pairs())
@settings(max_examples=40)
def test_every_answered_task_has_a_row_with_its_own_figures(pair: tuple[Run, Run]) -> None:
    """Rows are in the order of the names, and each figure is that of the task's own trials on its side."""
    base, head = (run.of_series(SERIES) for run in pair)
    rows = task_rows(base, head)
    assert [row.task for row in rows] == sorted({trial.task for trial in (*base, *head)})
    for row in rows:
        for trials, figures in ((base, row.base), (head, row.head)):
            own = [trial for trial in trials if trial.task == row.task]
            assert (figures is None) == (not own)
            if figures is not None:
                assert figures.valid == Tally(sum(trial.last.valid for trial in own), len(own))
                assert figures.prompt_tokens == statistics.median(trial.first.completion.prompt_tokens for trial in own)
                timed = [trial.latency for trial in own if trial.first.cache == "warm"]
                assert figures.latency == (statistics.median(timed) if timed else None)


def test_valid_and_parsing_epochs_are_counted_apart() -> None:
    """Two of three answers are valid, and the code of one parses."""
    trials = outcomes_run({"a": [VALID, SYNTAX, EMPTY]}).of_series(NAIVE)
    figures = task_rows(trials, [])[0].base
    assert figures is not None
    assert (figures.valid, figures.parses) == (Tally(2, 3), Tally(1, 3))


def test_a_task_without_a_time_has_none() -> None:
    """Where no trial's time counts, there are tokens and outcomes, and no times."""
    untimed = replace(answered(VALID), attempts=(record(VALID, cache="cold"),))
    figures = task_rows([untimed], [])[0].base
    assert figures is not None
    assert (figures.prompt_tokens, figures.ttft, figures.latency) == (100.0, None, None)

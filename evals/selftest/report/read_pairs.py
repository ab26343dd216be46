"""Two runs that are read twice: from the JSON of their saved files, and from the page that compares them."""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evals.run import Run
from evals.selftest.factories import in_one_session
from evals.selftest.report import recount
from evals.selftest.report.page_reader import Figure, Page, Section
from evals.selftest.report.read_twice import GOALS, report_files
from evals.selftest.report.recount import Trial
from evals.selftest.report.sample import sample_run
from evals.selftest.report.troubled import troubled
from evals.trials import Trial as TrialOfARun

ORDER = ("strict JSON", "schema-valid", "code parses", "obeyed", "valid at first try")


@dataclass(frozen=True)
class Pair:
    """Two saved runs and their page, and one series of them."""

    head: dict[str, Any]
    base: dict[str, Any]
    page: Page
    stack: str
    regime: str

    @property
    def series(self) -> str:
        """What the series is called."""
        return f"{self.stack}-{self.regime}"

    @property
    def both(self) -> tuple[list[Trial], list[Trial]]:
        """The trials of the series that have an answer: BASE's, then HEAD's."""
        before, now = (recount.answered(saved, self.stack, self.regime) for saved in (self.base, self.head))
        return before, now

    @property
    def plots(self) -> dict[str, Figure]:
        """The plots of the series."""
        return self.page.sections[f"HEAD against BASE: {self.series}"].figures

    @property
    def figures(self) -> Section:
        """The section that has all figures of all series."""
        return self.page.sections["HEAD against BASE, all figures"]


@functools.cache
def two_sessions() -> tuple[dict[str, Any], dict[str, Any], Page]:
    """Two runs in which something went wrong, of other numbers of tasks and epochs, whose prompts differ."""
    head = troubled(sample_run(tasks=14, epochs=3, regimes=("warm", "cold"), seed=7))
    base = troubled(sample_run(tasks=13, epochs=2, regimes=("warm", "cold"), seed=8, name="20260101-000000-00000000"))
    return _read(head, replace(base, trials=tuple(map(_told_more, base.trials))))


@functools.cache
def one_session() -> tuple[dict[str, Any], dict[str, Any], Page]:
    """Two whole runs of one session, which are judged."""
    head = sample_run(tasks=12, epochs=2, regimes=("warm", "cold"), seed=7)
    base = sample_run(tasks=12, epochs=2, regimes=("warm", "cold"), seed=8)
    base, head = in_one_session(replace(base, trials=tuple(map(_told_more, base.trials))), head)
    return _read(head, base)


def _read(head: Run, base: Run) -> tuple[dict[str, Any], dict[str, Any], Page]:
    with tempfile.TemporaryDirectory() as folder:
        (first, second), html = report_files(Path(folder), head, base)
    return first, second, Page(html)


def _told_more(trial: TrialOfARun) -> TrialOfARun:
    """The trial with a longer prompt for a half of the tasks, and with another one in every epoch."""
    if len(trial.task) % 2:
        return trial
    more = [
        replace(one, completion=replace(one.completion, prompt_tokens=one.completion.prompt_tokens + 9 * trial.epoch))
        for one in trial.attempts
    ]
    return replace(trial, attempts=tuple(more))


def gains(pair: Pair, goal: str) -> recount.Rates:
    """What every task with an answer on both sides gained."""
    before, now = (recount.task_rates(trials, GOALS[goal]) for trials in pair.both)
    return {task: now[task] - before[task] for task in before if task in now}


def change(pair: Pair, goal: str) -> tuple[float, float, float]:
    """The change of a share, with its interval."""
    return recount.mean_with_interval([float(gain) for gain in gains(pair, goal).values()])

"""Runs that are read twice: from the JSON of their saved file, and from the page that the command line makes of them."""

from __future__ import annotations

import functools
import json
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.__main__ import main
from evals.run import Run
from evals.selftest.factories import saved_file
from evals.selftest.report import recount
from evals.selftest.report.page_reader import Page, Section
from evals.selftest.report.recount import Trial, reaches
from evals.selftest.report.sample import sample_run
from evals.selftest.report.troubled import BARE, troubled

STACKS = ("naive", "optimized")
FIXTURES = Path(__file__).parents[3] / "fixtures"
PIXEL = 0.5
"""How far from its value a mark may be."""


def report_files(folder: Path, run: Run, base: Run | None = None, *, ending: str = "html") -> tuple[list[dict[str, Any]], str]:
    """What the files of the runs hold, head first, and the report that the command line makes of them."""
    runs = {"head": run} if base is None else {"head": run, "base": base}
    files = [folder / f"{name}.json" for name in runs]
    for file, one in zip(files, runs.values(), strict=True):
        file.write_text(json.dumps(saved_file(one)), encoding="utf-8")
    report = folder / f"report.{ending}"
    assert main(["report", *map(str, files), "-o", str(report)]) == 0
    saved = [json.loads(file.read_text(encoding="utf-8"))["evals"] for file in files]
    return saved, report.read_text(encoding="utf-8")


@functools.cache
def sample_report(epochs: int) -> tuple[dict[str, Any], Page, str]:
    """A saved run of both regimes, and its report as a page and as Markdown."""
    run = troubled(sample_run(tasks=14, epochs=epochs, regimes=("warm", "cold"), seed=7))
    with tempfile.TemporaryDirectory() as folder:
        (saved,), html = report_files(Path(folder), run)
        _, markdown = report_files(Path(folder), run, ending="md")
    return saved, Page(html), markdown


@functools.cache
def whole_report(seed: int) -> tuple[dict[str, Any], Page]:
    """A saved run in which nothing went wrong, and its page."""
    with tempfile.TemporaryDirectory() as folder:
        (saved,), html = report_files(Path(folder), sample_run(tasks=16, epochs=2, seed=seed))
    return saved, Page(html)


@dataclass(frozen=True)
class Read:
    """A saved run and its page, each read for itself, and one of the regimes."""

    saved: dict[str, Any]
    page: Page
    markdown: str
    regime: str

    @property
    def trials(self) -> dict[str, list[Trial]]:
        """By stack the trials of the regime that have an answer."""
        return {stack: recount.answered(self.saved, stack, self.regime) for stack in STACKS}

    @property
    def section(self) -> Section:
        """The section that has the stacks side by side."""
        return self.page.sections[f"The stacks side by side, {self.regime} prefix cache"]

    @property
    def epochs(self) -> int:
        """How often a task was asked at most."""
        return int(self.saved["settings"]["epochs"])


@functools.cache
def preferences_of_tasks() -> dict[str, list[str]]:
    """By task the ids of the preferences that its file names."""
    return {one["id"]: one["preferences"] for one in tomllib.loads((FIXTURES / "tasks.toml").read_text(encoding="utf-8"))["task"]}


def obeys(trial: Trial) -> bool:
    """Whether an answer parses and is none of those that were made to violate a preference; the sample has no others."""
    spoiled = BARE in trial["attempts"][-1]["completion"]["text"]
    return reaches("code parses")(trial) and not (spoiled and "python-annotations" in preferences_of_tasks()[trial["task"]])


GOALS: dict[str, Callable[[Trial], bool]] = {
    "valid at first try": reaches("schema-valid", 0),
    "strict JSON": reaches("strict JSON"),
    "schema-valid": reaches("schema-valid"),
    "code parses": reaches("code parses"),
    "obeyed": obeys,
}

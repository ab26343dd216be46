"""The report of a run, or of two: what is told, in which order, whatever it is shown as."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from evals.ablation_text import ablation_blocks
from evals.comparison import Side, compare
from evals.comparison_grids import begun_text, commit_text
from evals.comparison_text import comparison_blocks
from evals.floors import Judgement, judge_run
from evals.funnel_text import funnel_blocks
from evals.gate import Verdict, judge
from evals.grid import Block, Grid
from evals.growth_text import growth_blocks
from evals.likeness import Changed, default_changed, mend
from evals.limits import Limits
from evals.pair import from_one_session
from evals.prefix_cache import prefix_cache_blocks
from evals.published import published_blocks
from evals.report.curve_plots import growth_plots
from evals.report.finding import Finding, finding_of, limits_of_the_finding
from evals.report.forest_plots import ablation_plots, prefix_cache_plots
from evals.report.funnel_plots import funnel_plots
from evals.report.pair_plots import pair_plots
from evals.report.plot import Plot
from evals.report.quantities import counted
from evals.report.stack_plots import HOW_TO_READ, split_plots, stack_plots
from evals.run import Run
from evals.schedule import Arm, Regime, Series
from evals.studies import GROWTH
from evals.summary import regime_blocks, summary_notes
from evals.verdict_text import list_blocks, verdict_grid

WIDE = 10_000
"""Tables are laid out as if there were room for all columns; a page scrolls."""

Part = Block | Plot


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report under its title."""

    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What is told: the finding, what it rests on and what it does not say, the sections, and the runs whose trials are listed."""

    finding: Finding
    facts: Mapping[str, str]
    limits: tuple[str, ...]
    sections: tuple[Section, ...]
    runs: Mapping[Arm, Run]


def judged_report(
    run: Run, limits: Limits, base: Run | None = None, changed: Collection[Changed] | None = None, verdict: Verdict | None = None
) -> Report:
    """Everything that is to be told of a run, judged by the limits, and of the ``base`` that it is compared with, if there is one:
    with the ``verdict`` on both, or one that is found here. ``changed`` is what is meant to differ (by default
    :func:`evals.likeness.default_changed`).
    """
    pair: list[Section] = []
    if base is not None:
        meant = tuple(changed or default_changed(run))
        verdict = verdict or judge(base, run, limits, meant)
        pair = _pair_sections(base, run, meant, verdict)
    sections = (*pair, *_run_sections(run), _judged(run, judge_run(run, limits)), _about(run))
    return Report(
        finding=finding_of(run, verdict),
        facts=_facts([run] if base is None else [base, run]),
        limits=tuple(limits_of_the_finding(run, verdict)),
        sections=tuple(section for section in sections if section.parts),
        runs={"head": run} if base is None else {"head": run, "base": base},
    )


def _facts(runs: Sequence[Run]) -> dict[str, str]:
    """What was measured on what: of BASE, and then of HEAD, where they differ."""
    sides = list(map(Side.of, runs))
    sizes = list(map(_size, runs))
    return {
        "model": _then(side.model for side in sides),
        "server": _then(side.server for side in sides),
        "n": sizes[0] if len(sizes) == 1 else f"BASE {sizes[0]}; HEAD {sizes[1]}",
        "run": _then(side.run for side in sides),
        "commit": _then(map(commit_text, sides)),
        "begun": _then(map(begun_text, sides)),
    }


def _then(values: Iterable[str]) -> str:
    """The one value, or BASE's and then HEAD's."""
    return ", then ".join(dict.fromkeys(values))


def _size(run: Run) -> str:
    asked, answered = run.settings, len(run.trials) - len(run.faulted)
    stopped = f" of {len(asked.tasks)}, then stopped" if run.stopped is not None else ""
    tasks = f"{counted(len(run.measured_tasks), 'task')}{stopped}"
    size = " x ".join((tasks, counted(len(asked.stacks), "stack"), counted(asked.epochs, "epoch")))
    return f"{counted(answered, 'answered trial')}: {size}, {' and '.join(asked.regimes)}"


def _pair_sections(base: Run, head: Run, changed: Collection[Changed], verdict: Verdict) -> list[Section]:
    comparison = compare(base, head, changed)
    plots = [
        Section(f"HEAD against BASE: {series.series}", (*pair_plots(series), *_pair_split(base, head, series.series)))
        for series in comparison.series
    ]
    table = [verdict_grid(verdict)] if verdict.findings else []
    return [
        Section("The verdict", (*table, *list_blocks(verdict))),
        *plots,
        Section("HEAD against BASE, all figures", tuple(comparison_blocks(comparison))),
    ]


def _pair_split(base: Run, head: Run, series: Series) -> list[Plot]:
    """Where a difference in latency comes from, of two runs whose times can be compared."""
    if not from_one_session(base, head):
        return []
    return split_plots(f"HEAD - BASE, {series}", base.of_series(series), head.of_series(series))


def _run_sections(run: Run) -> list[Section]:
    if run.settings.study == GROWTH:
        return [
            *(Section(f"What grows, {regime} prefix cache", tuple(growth_plots(run, regime))) for regime in run.settings.regimes),
            Section("What a longer history and more memories cost", tuple(growth_blocks(run))),
        ]
    return [
        *(
            Section(f"Which ingredient did it, {regime}", (*ablation_plots(run, regime), *ablation_blocks(run, regime, WIDE)))
            for regime in run.settings.regimes
        ),
        Section("What the prefix cache saves", (*prefix_cache_plots(run), *prefix_cache_blocks(run))),
        *(Section(f"The stacks side by side, {regime} prefix cache", _stacks(run, regime)) for regime in run.settings.regimes),
        *(
            Section(f"Does the code obey, {regime}", (*funnel_plots(run, regime), *funnel_blocks(run, regime)))
            for regime in run.settings.regimes
        ),
        Section("The published comparison", tuple(published_blocks(run))),
    ]


def _stacks(run: Run, regime: Regime) -> tuple[Part, ...]:
    plots = stack_plots(run, regime)
    return (HOW_TO_READ, *plots, *regime_blocks(run, regime, WIDE)) if plots else ()


def _judged(run: Run, judgements: Mapping[Series, Judgement]) -> Section:
    rows = tuple((str(series), judged.verdict, judged.sentence) for series, judged in judgements.items())
    table = Grid(("series", "against its floor", ""), rows, texts=(0, 1, 2))
    return Section("The share of valid answers against its floor", (table, *summary_notes(run, mend(run))))


def _about(run: Run) -> Section:
    fingerprint = run.header.fingerprint.to_dict()
    rows = [(f"{part}.{name}", _told(value)) for part, values in fingerprint.items() for name, value in _flat(values)]
    return Section("What was measured with what", (Grid(("fingerprint", "value"), tuple(rows), texts=(0, 1)),))


def _told(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _flat(values: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value

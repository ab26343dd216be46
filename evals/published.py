"""The published comparison that started this project, beside what a run of the article's task measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from agent.stacks import DEFAULT_STACKS
from evals.grid import Block, Grid
from evals.metrics import durations, prompt_tokens
from evals.run import Run
from evals.schedule import ARTICLE, Series
from evals.stats import clopper_pearson
from evals.trials import Trial


@dataclass(frozen=True, slots=True)
class Published:
    """What was published of one stack, without any spread: times in seconds, and how many of the runs gave valid JSON."""

    context_tokens: int
    ttft: float
    latency: float
    valid: int
    runs: int


PUBLISHED = {"naive": Published(407, 0.374, 6.95, 0, 3), "optimized": Published(247, 0.311, 5.13, 3, 3)}
PUBLISHED_MODEL, PUBLISHED_SERVER = "gemma3:4b", "ollama"


def published_blocks(run: Run) -> list[Block]:
    """The published table beside the run's, and what cannot be compared; nothing for a run of another suite or other stacks."""
    if run.settings.suite != ARTICLE or not set(DEFAULT_STACKS) <= set(run.settings.stacks):
        return []
    trials = {stack: [one for one in run.of_series(Series(stack, "warm")) if one.fault is None] for stack in DEFAULT_STACKS}
    if not all(trials.values()):
        return []
    columns = ("", *(f"{stack}, {whose}" for whose in ("published", "here") for stack in DEFAULT_STACKS))
    rows = [(title, *map(show, PUBLISHED.values()), *map(seen, trials.values())) for title, show, seen in _ROWS]
    return [_sentence(trials), Grid(columns, tuple(rows)), *_not_comparable(run)]


_Row = tuple[str, Callable[[Published], str], Callable[[Sequence[Trial]], str]]


def _measured(values: Sequence[float], show: Callable[[float], str]) -> str:
    return f"{show(median(values))} [{show(min(values))}, {show(max(values))}]" if values else "-"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:,.0f}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _share(valid: int, runs: int) -> str:
    low, high = clopper_pearson(valid, runs)
    return f"{valid} of {runs} [{low:.0%}, {high:.0%}]"


_ROWS: tuple[_Row, ...] = (
    ("runs (n)", lambda told: str(told.runs), lambda trials: str(len(trials))),
    ("prompt tokens", lambda told: _count(told.context_tokens), lambda trials: _measured(prompt_tokens(trials), _count)),
    ("TTFT in ms", lambda told: _ms(told.ttft), lambda trials: _measured(durations(trials, "ttft"), _ms)),
    ("latency in ms", lambda told: _ms(told.latency), lambda trials: _measured(durations(trials, "latency"), _ms)),
    ("valid JSON", lambda told: _share(told.valid, told.runs), lambda trials: _share(_valid(trials), len(trials))),
)


def _valid(trials: Sequence[Trial]) -> int:
    return sum(trial.last.outcome.reached("strict JSON") for trial in trials)


def fisher_p(first: tuple[int, int], second: tuple[int, int]) -> float:
    """The two-sided p-value of "both have the same share", each given as successes and number.

    R. A. Fisher, Statistical Methods for Research Workers, 5th edition (1934), section 21.02.
    """
    from scipy.stats import fisher_exact

    table = [[successes, number - successes] for successes, number in (first, second)]
    return float(fisher_exact(table).pvalue)


def _sentence(trials: dict[str, list[Trial]]) -> str:
    told = [(one.valid, one.runs) for one in PUBLISHED.values()]
    here = [(_valid(measured), len(measured)) for measured in trials.values()]
    return (
        f"published: valid JSON in {told[0][0]} of {told[0][1]} and {told[1][0]} of {told[1][1]} runs, Fisher p"
        f" {_p_text(fisher_p(*told))}; here: {here[0][0]} of {here[0][1]} and {here[1][0]} of {here[1][1]}, p"
        f" {_p_text(fisher_p(*here))}."
        " One task, so neither says anything about others."
    )


def _p_text(p: float) -> str:
    return f"= {p:.2f}" if p >= 0.01 else "< 0.01"


def _not_comparable(run: Run) -> list[str]:
    target, number = run.header.target, run.settings.epochs
    here = f"here: the median and [least, most] of {number} epoch(s), and shares with the exact 95 % interval"
    notes = [
        f"{here}; published: one number each, without spread, and nobody knows whether it is a mean",
        "the published stacks differ in memory, contract and retry at once, so no difference has one cause (see --ablation)",
        "how the published context tokens were counted, on which hardware, and what counted as valid JSON is not known",
    ]
    if (target.kind, target.model) != (PUBLISHED_SERVER, PUBLISHED_MODEL):
        notes.insert(0, f"published: {PUBLISHED_MODEL} on Ollama; here: {target}. No time, token count or share can be compared")
    return [f"not comparable: {note}." for note in notes]

"""The funnel of a preference: from the store through retrieval and the prompt to the code, and where it is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evals.ablation import stacks_of
from evals.obedience import Finding
from evals.obeyed import findings, wanted
from evals.run import Run
from evals.schedule import Series
from evals.stats import Share, share_of
from evals.trials import Trial, by_task
from fixtures.data import Preference, load_preferences


@dataclass(frozen=True, slots=True)
class Funnel:
    """How far one preference came, counted over the ``trials`` of one series whose task it applies to.

    ``stored`` is ``None`` where the stack asks no memory, and ``retrieved`` also where it takes all that memory holds, unsearched.
    ``applicable`` are the valid answers that the preference says something about, and ``obeyed`` those of them that obey it.
    """

    preference: str
    trials: int
    stored: int | None
    retrieved: int | None
    in_prompt: int
    applicable: int
    obeyed: int


@dataclass(frozen=True, slots=True)
class Violation:
    """A preference that an answer violates."""

    series: Series
    task: str
    epoch: int
    preference: str
    finding: Finding

    def __str__(self) -> str:
        return f"{self.preference}: {self.finding} ({self.series}, {self.task}, epoch {self.epoch})"


def funnels(run: Run, series: Series) -> list[Funnel]:
    """The funnel of every preference that applies to a task of the run."""
    trials = [trial for trial in run.of_series(series) if trial.fault is None]
    stack = stacks_of(run).get(series.stack)
    asks_memory = any(trial.facts is not None for trial in trials) if stack is None else stack.asks_memory
    searches = asks_memory and (stack is None or stack.context == "memory")
    found = (_funnel(run, preference, trials, asks_memory=asks_memory, searches=searches) for preference in load_preferences())
    return [funnel for funnel in found if funnel.trials]


def violations(run: Run, series: Series) -> list[Violation]:
    """Everything that answers of a series violate, in the order of the trials."""
    return [
        Violation(series, trial.task, trial.epoch, preference, finding)
        for trial in run.of_series(series)
        for preference, finding in findings(trial).items()
        if finding.verdict == "violated"
    ]


def obeyed_share(run: Run, series: Series) -> Share | None:
    """The share of preferences obeyed among those that valid answers of a series could obey, as a mean over tasks; ``None`` without
    any.
    """
    rates = []
    for trials in by_task(run.of_series(series)).values():
        verdicts = [finding.verdict for trial in trials for finding in findings(trial).values()]
        if applicable := len(verdicts) - verdicts.count("not applicable"):
            rates.append(verdicts.count("obeyed") / applicable)
    # A task is a rate even with one epoch, since several preferences apply to it.
    return share_of(sum(rates) / len(rates), len(rates), epochs=max(2, run.settings.epochs)) if rates else None


def _funnel(run: Run, preference: Preference, trials: Sequence[Trial], *, asks_memory: bool, searches: bool) -> Funnel:
    about = [trial for trial in trials if preference.id in wanted(trial.task)]
    verdicts = [found[preference.id].verdict for trial in about if preference.id in (found := findings(trial))]
    return Funnel(
        preference=preference.id,
        trials=len(about),
        # Memory is seeded, and checked to hold every preference, before the first trial.
        stored=len(about) if asks_memory else None,
        retrieved=sum(preference.text in (trial.facts or ()) for trial in about) if searches else None,
        in_prompt=sum(_is_in_prompt(run, preference, trial) for trial in about),
        applicable=len(verdicts) - verdicts.count("not applicable"),
        obeyed=verdicts.count("obeyed"),
    )


def _is_in_prompt(run: Run, preference: Preference, trial: Trial) -> bool:
    """Whether the first prompt says it, in its own words or in those of the history; the request does not count."""
    texts = [run.messages[name].content for name in trial.first.messages[:-1]]
    return any(words in text for words in (preference.text, preference.told) if words for text in texts)

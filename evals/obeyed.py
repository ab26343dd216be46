"""What the checkers find in a run's answers. The answers are saved and this is not, so two runs are read by the same checkers."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from agent.artifact import parse
from agent.errors import ArtifactError
from evals.obedience import Finding, check
from evals.trials import Trial
from fixtures.data import load_tasks


def wanted(task: str) -> tuple[str, ...]:
    """The ids of the preferences that a task's labels name; none for a task that is no more."""
    return _labels().get(task, ())


def findings(trial: Trial) -> Mapping[str, Finding]:
    """For every preference that applies to the trial's task what its checker finds in the answer; empty without a valid one."""
    if trial.fault is not None or not trial.last.valid:
        return {}
    return _found(trial.last.completion.text, wanted(trial.task))


def obeys(trial: Trial) -> bool:
    """Whether the last answer is code that parses, in the language asked for, and violates none of the preferences that apply to
    its task. Checkers find nothing in code that does not parse, and that is no obedience.
    """
    return trial.last.parses and not any(finding.verdict == "violated" for finding in findings(trial).values())


@functools.cache
def _labels() -> Mapping[str, tuple[str, ...]]:
    return {task.id: task.preferences for task in load_tasks()}


@functools.cache
def _found(text: str, preferences: tuple[str, ...]) -> Mapping[str, Finding]:
    try:
        artifact = parse(text)
    except ArtifactError:
        # A saved run may say of any text that it is valid.
        return {}
    return {preference: check(preference, artifact) for preference in preferences}

"""The ladder: how far an answer got, and the one cause that kept it from the next rung."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from agent.artifact import Artifact
from agent.errors import Cause, Rung
from agent.loop import Attempt
from evals import syntax

RUNGS: tuple[Rung, ...] = get_args(Rung)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where an answer stands on the ladder, for a task that asks for ``language``.

    ``cause`` and ``failure`` (the sentence that explains it) are ``None`` on the top rung. ``declared`` is the language that a
    schema-valid answer declares. ``json_in_fence`` is true when a valid artifact could be fished out of a code fence.
    """

    rung: Rung
    language: str
    cause: Cause | None = None
    failure: str | None = None
    declared: str | None = None
    json_in_fence: bool = False

    def reached(self, rung: Rung) -> bool:
        """Whether the answer got as far as this rung."""
        return RUNGS.index(self.rung) >= RUNGS.index(rung)

    @property
    def mismatch(self) -> bool:
        """Whether the answer declares another language than the task asks for."""
        return self.declared not in (None, self.language)


def climb(attempt: Attempt, language: str) -> Outcome:
    """Where the answer of an attempt stands, for a task that asks for ``language``.

    For the top rung the code must parse in the language that the answer declares, and that must be the one asked for: tsx for a ts
    task is a mismatch, with the cause ``other``.
    """
    if isinstance(attempt.result, Artifact):
        return _schema_valid(attempt.result, language)
    error = attempt.result
    return Outcome(error.rung, language, error.cause, str(error), json_in_fence=error.json_in_fence)


def _schema_valid(artifact: Artifact, language: str) -> Outcome:
    declared = artifact.language
    if flaw := syntax.flaw(artifact.code, declared):
        return Outcome("schema-valid", language, "syntax", f"the code is no {declared}: {flaw}", declared)
    if declared != language:
        failure = f"the task asks for {language}, and the answer declares {declared}"
        return Outcome("schema-valid", language, "other", failure, declared)
    return Outcome("code parses", language, declared=declared)

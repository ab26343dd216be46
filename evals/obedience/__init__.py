"""Obedience: does an answer do what the user prefers? One checker for each preference of ``fixtures/preferences.toml``.

A checker reads the syntax tree of the code, or the sentences of the explanation; it runs nothing and matches no pattern on
program text. What it cannot decide from the one file (types, other files, what a value is at run time) it decides in the answer's
favour, so that a violation that is named can be seen on its line. Every checker's module says what it counts and what it lets
pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.artifact import Artifact
from agent.errors import SettingsError
from evals.obedience import exports, promises, sentences, signatures, strictness, styling
from evals.obedience.finding import Finding, Verdict

__all__ = ["CHECKERS", "Finding", "Verdict", "check", "check_all"]

CHECKERS: Mapping[str, Callable[[Artifact], Finding]] = {
    "async-await": promises.check,
    "react-strict": strictness.check,
    "tailwind": styling.check,
    "named-exports": exports.check,
    "python-annotations": signatures.check,
    "short-explanations": sentences.check,
}
"""The checker of each preference, by the preference's id."""


def check(preference_id: str, artifact: Artifact) -> Finding:
    """Whether the artifact obeys one preference. Its code should parse in its language; what does not is not applicable.

    Raises:
        SettingsError: when no checker has this id.
    """
    if preference_id not in CHECKERS:
        raise SettingsError(f"No checker is called {preference_id!r}; there are {', '.join(CHECKERS)}.")
    return CHECKERS[preference_id](artifact)


def check_all(artifact: Artifact) -> dict[str, Finding]:
    """What every checker finds, by the preference's id, in the order of :data:`CHECKERS`."""
    return {preference_id: checker(artifact) for preference_id, checker in CHECKERS.items()}

"""The two runs of an A/B session: measured interleaved on one server, so that their times can be compared."""

from __future__ import annotations

from dataclasses import dataclass

from agent.errors import RunFileError
from evals.run import Run
from evals.schedule import Arm

PARTS: dict[Arm, str] = {"head": "evals", "base": "evals_base"}
"""Where the run of an arm stands in a saved file."""

_SUFFIX = "-base"


@dataclass(frozen=True, slots=True)
class Pair:
    """The runs of one session: ``base`` is what ``head`` is compared with. Both have the same settings and plan."""

    base: Run
    head: Run


def arm_run_id(session: str, arm: Arm) -> str:
    """The name of an arm's run in the session of this name, which is the head's."""
    return session if arm == "head" else f"{session}{_SUFFIX}"


def from_one_session(base: Run, head: Run) -> bool:
    """Whether two runs are the arms of one session, so that their times can be compared."""
    return base.settings.arms == head.settings.arms != ("head",) and base.header.run == arm_run_id(head.header.run, "base")


def refuse_unpaired(source: object, pair: Pair) -> None:
    """Refuse two runs that contradict each other; ``source`` is where they come from.

    Raises:
        RunFileError: when they are not the two arms of one session.
    """
    base, head = pair.base.header, pair.head.header
    if different := head.settings.differences(base.settings):
        raise RunFileError(f"{source}: evals_base.settings: the arms were asked for different things: {'; '.join(different)}")
    if not from_one_session(pair.base, pair.head):
        raise RunFileError(f"{source}: evals_base.run: {base.run} is not the other arm of {head.run}")
    commit = base.fingerprint.provenance.get("commit")
    if head.settings.ab is not None and commit not in (None, head.settings.ab):
        raise RunFileError(f"{source}: evals_base.fingerprint: it is of commit {commit}, and --ab asked for {head.settings.ab}")

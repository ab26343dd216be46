"""The gate of a live session: judged at its end against a baseline, or against the other arm of an A/B session.

In a sequential session it is asked after every task, and says when nothing more needs to be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from agent.errors import RunFileError, SettingsError
from evals.gate import GateVerdict, Verdict, invalid, judge
from evals.likeness import DEFAULT_CHANGED, Changed, obstacles
from evals.limits import Limits, load_limits
from evals.names import BASELINE, find_file
from evals.pair import Pair
from evals.run import Run
from evals.runs import load_run

SESSION_EXIT_CODES: Mapping[GateVerdict, int] = {"PASS": 0, "FAIL": 1, "INVALID": 12, "INCONCLUSIVE": 13}
"""pytest itself uses 2 to 5, which keep their meaning."""

_OK, _TESTS_FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class SessionGate:
    """What a session is judged by. ``name`` is the baseline's, as the command line names a run, and ``None`` in an A/B session,
    where the other arm is BASE; ``inconclusive`` is what an INCONCLUSIVE verdict counts as.
    """

    limits: Limits
    changed: tuple[Changed, ...]
    name: str | None
    storage: Path
    baselines: Path
    inconclusive: Literal["pass", "fail"] | None = None

    def base(self, head: Run) -> Run | None:
        """The baseline of a run that has just begun; ``None`` in an A/B session.

        Raises:
            RunFileError: when there is none, it is damaged, or the run that has begun could never be compared with it.
        """
        from evals.baselines import find_baseline

        if self.name is None:
            return None
        file = find_baseline(head, self.changed, self.baselines) if self.name == BASELINE else find_file(self.name, self.storage)
        base = load_run(file)
        if reasons := [reason for reason in obstacles(base, head, self.changed) if not reason.startswith("HEAD:")]:
            raise RunFileError(f"{file}: {invalid(reasons).sentence}")
        return base

    def verdict(self, base: Run | None, pair: Pair | None, head: Run) -> Verdict:
        """The verdict on what was measured, against the baseline or the other arm."""
        against = pair.base if pair is not None else base
        if against is None:
            return invalid(["there is nothing to compare with. Next: name a --baseline"])
        return judge(against, head, self.limits, self.changed)

    def exit_code(self, verdict: Verdict, status: int) -> int:
        """The exit code of a session that ended with ``status``. Beside a PASS, what else failed still fails."""
        if status not in (_OK, _TESTS_FAILED) or (verdict.verdict == "PASS" and status == _TESTS_FAILED):
            return status
        if verdict.verdict == "INCONCLUSIVE" and self.inconclusive:
            return _OK if self.inconclusive == "pass" else _TESTS_FAILED
        return SESSION_EXIT_CODES[verdict.verdict]


def session_gate(option: Callable[[str], Any], storage: Path, *, ab: bool) -> SessionGate | None:
    """The gate that the command line asks for; ``None`` where it asks for none.

    Raises:
        SettingsError: when its options contradict each other, or the limits cannot be read.
    """
    name, sequential = option("evals_baseline"), option("evals_sequential")
    if ab and (name or sequential):
        raise SettingsError(
            "An A/B session is judged against its other arm, as a whole. Next: leave --baseline and --sequential out"
        )
    if sequential and not name:
        raise SettingsError("--sequential stops when a verdict is settled. Next: name what to compare with: --baseline NAME")
    if not (ab or name):
        for choice in ("changed", "inconclusive"):
            if option(f"evals_{choice}"):
                raise SettingsError(f"--{choice} is about a verdict. Next: name what to compare with: --baseline NAME, or --ab REF")
        return None
    default: tuple[Changed, ...] = ("model",) if option("evals_ab_model") else DEFAULT_CHANGED
    changed = tuple(option("evals_changed") or default)
    return SessionGate(
        limits=limits_of(option),
        changed=changed,
        name=name,
        storage=storage,
        baselines=Path(option("evals_baselines")),
        inconclusive=option("evals_inconclusive"),
    )


def limits_of(option: Callable[[str], Any]) -> Limits:
    """The limits that the command line names.

    Raises:
        SettingsError: when they cannot be read.
    """
    return load_limits(Path(option("evals_limits")))


def tasks_done(run: Run) -> int:
    """How many tasks, in the order of a sequential run, have all their answers."""
    lacking = {key[1] for key in run.missing} | {trial.task for trial in run.faulted}
    order = replace(run, stopped=None).measured_tasks
    return next((place for place, task in enumerate(order) if task in lacking), len(order))

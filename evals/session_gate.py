"""The gate of a live session: judged at its end against a baseline, or against the other arm of an A/B session.

In a sequential session it is asked after every task, and says when nothing more needs to be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agent.errors import RunFileError, SettingsError
from evals.gate import GateVerdict, Verdict, invalid, judge
from evals.likeness import DEFAULT_CHANGED, Changed, unfit, unlike
from evals.limits import Limits, load_limits
from evals.names import BASELINE, find_file
from evals.run import Run
from evals.runs import load_run

if TYPE_CHECKING:
    from evals.arms import Arms
    from evals.live import LiveRun

SESSION_EXIT_CODES: Mapping[GateVerdict, int] = {"PASS": 0, "FAIL": 1, "INVALID": 12, "INCONCLUSIVE": 13}
"""pytest itself uses 2 to 5, which keep their meaning."""

_OK, _TESTS_FAILED = 0, 1


@dataclass(slots=True)
class SessionGate:
    """What a session is judged by. ``name`` is the baseline's, as the command line names a run, and ``None`` in an A/B session,
    where the other arm is BASE; ``inconclusive`` is what an INCONCLUSIVE verdict counts as. ``base`` is the baseline, once the
    session has begun, and ``verdict`` what was found, once it has ended.
    """

    limits: Limits
    changed: tuple[Changed, ...]
    name: str | None
    storage: Path
    baselines: Path
    inconclusive: Literal["pass", "fail"] | None = None
    base: Run | None = None
    verdict: Verdict | None = None
    _tasks_judged: int = 0

    @property
    def arguments(self) -> str:
        """The options that ask for this gate again, for a session that goes on."""
        if self.name is None:
            return ""
        asked = [f"--baseline {self.name}", *(f"--changed {one}" for one in self.changed if self.changed != DEFAULT_CHANGED)]
        return " ".join(["", *asked])

    def begin(self, arms: Arms) -> None:
        """Find the baseline of the session's run, which has just been opened.

        Raises:
            RunFileError: when there is none, it is damaged, or what will be measured could never be compared.
        """
        from evals.baselines import find_baseline

        head = arms.head.result()
        if arms.pair is not None:
            # Neither arm has a trial yet, so only what they are can be told.
            source, reasons = "A/B", unlike(arms.pair.base, head, self.changed)
        else:
            name = str(self.name)
            file = find_baseline(head, self.changed, self.baselines) if name == BASELINE else find_file(name, self.storage)
            self.base = load_run(file)
            source, reasons = str(file), [*unfit("BASE", self.base), *unlike(self.base, head, self.changed)]
        if reasons:
            raise RunFileError(f"{source}: {invalid(reasons).sentence}")

    def stop_when_settled(self, run: LiveRun) -> None:
        """Note in a sequential run that its verdict is settled, so that no further task is measured."""
        if not run.settings.sequential or run.stopped is not None:
            return
        so_far = run.result()
        done = tasks_done(so_far)
        if self._tasks_judged < done < len(run.settings.tasks):
            self._tasks_judged = done
            if self._judged(self.base, replace(so_far, stopped=done)).verdict in ("PASS", "FAIL"):
                run.stopped = done

    def end(self, arms: Arms | None) -> Verdict:
        """The verdict on what was measured, against the baseline or the other arm."""
        if arms is None or not arms.measured:
            self.verdict = invalid(["nothing was measured. Next: select the trials, too (-k and --deselect leave them out)"])
        else:
            self.verdict = self._judged(arms.pair.base if arms.pair else self.base, arms.head.result())
        return self.verdict

    def exit_code(self, status: int) -> int:
        """The exit code of a session that ended with ``status``. What else failed still fails beside a PASS, or an INCONCLUSIVE
        that counts as one.
        """
        if self.verdict is None or status not in (_OK, _TESTS_FAILED):
            return status
        verdict = self.verdict.verdict
        if verdict == "INCONCLUSIVE" and self.inconclusive == "fail":
            return _TESTS_FAILED
        if verdict == "PASS" or (verdict == "INCONCLUSIVE" and self.inconclusive == "pass"):
            return status
        return SESSION_EXIT_CODES[verdict]

    def _judged(self, base: Run | None, head: Run) -> Verdict:
        if base is None:
            return invalid(["there is nothing to compare with. Next: name a --baseline"])
        return judge(base, head, self.limits, self.changed)


def session_gate(option: Callable[[str], Any], storage: Path, *, ab: bool, live: bool) -> SessionGate | None:
    """The gate that the command line asks for; ``None`` where it asks for none. ``live`` says whether live evals are selected.

    Raises:
        SettingsError: when its options contradict each other, or the limits cannot be read.
    """
    name, sequential = option("evals_baseline"), option("evals_sequential")
    if not live and (name or sequential or ab):
        raise SettingsError("--baseline, --sequential, --ab and --ab-model are about live evals. Next: add -m live")
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
    default: tuple[Changed, ...] = DEFAULT_CHANGED if option("evals_ab_model") is None else ("model",)
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

"""The report of a live session, written when everything else has been."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import AgentError
from evals.limits import Limits

if TYPE_CHECKING:
    from evals.arms import Arms
    from evals.session_gate import SessionGate


def write_session_report(file: Path, arms: Arms, gate: SessionGate | None, limits: Limits) -> str:
    """Write the report of a session: of its run, and of what it was judged against, its baseline or the other arm. Returns the line
    that says so, or why there is none; a report that fails takes nothing else with it.
    """
    try:
        return f"report: {_written(file, arms, gate, limits)}"
    except AgentError as error:
        return f"report: nothing: {error}"
    except Exception as error:  # the run is saved, and its verdict must not end as a crash
        return f"report: nothing: the suite has a fault of its own, {type(error).__name__}: {error}. Next: report it with the run"


def _written(file: Path, arms: Arms, gate: SessionGate | None, limits: Limits) -> Path:
    from evals.report.output import format_of, rendered, write
    from evals.report.report import judged_report

    pair = arms.pair
    base = pair.base if pair is not None else None if gate is None else gate.base
    changed, verdict = (None, None) if gate is None else (gate.changed, gate.verdict)
    write(file, rendered(judged_report(arms.head.result(), limits, base, changed, verdict), format_of(file)))
    return file

"""The status line of a live run: what is done, how long it took, how long it will take, and what was valid so far."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from evals.schedule import Arm, PlannedTrial
from evals.trials import Trial


@dataclass(slots=True)
class Progress:
    """Counts the trials of a session. ``total`` is all that are planned, ``done`` those that were answered before."""

    total: int
    done: int = 0
    started: float = field(default_factory=time.monotonic)
    measured: int = 0
    valid: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, trial: Trial, arm: Arm = "head") -> None:
        """Count a trial that was just measured."""
        self.done += 1
        self.measured += 1
        if trial.fault is None:
            series = f"{trial.series}-base" if arm == "base" else str(trial.series)
            valid, answered = self.valid.get(series, (0, 0))
            self.valid[series] = (valid + trial.last.valid, answered + 1)

    def line(self, planned: PlannedTrial, now: float) -> str:
        """The status while ``planned`` runs, at the moment ``now`` of :func:`time.monotonic`."""
        elapsed = now - self.started
        left = f"{clock_time(elapsed / self.measured * (self.total - self.done))} left" if self.measured else "time left unknown"
        valid = ", ".join(f"{series} {counts[0] / counts[1]:.0%}" for series, counts in sorted(self.valid.items()))
        return " | ".join(
            part
            for part in (
                f"trial {self.done + 1} of {self.total}",
                f"{clock_time(elapsed)} elapsed, {left}",
                f"valid so far: {valid}" if valid else "",
                str(planned),
            )
            if part
        )


@contextmanager
def shown_below(terminal: TextIO, status: str, *, column: int, width: int) -> Iterator[None]:
    """Show the status on the line below the dots, which end at ``column``, as long as the block runs; then take it away again.

    The cursor is moved by relative steps, which hold when the terminal scrolls.
    """
    back = f"\x1b[1A\x1b[{column + 1}G"
    _write(terminal, f"\n\x1b[2K{status[: width - 1]}{back}")
    try:
        yield
    finally:
        _write(terminal, f"\n\x1b[2K{back}")


def can_move_cursor(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal, if there is one, can show a line below the one that is being written."""
    return environment.get("TERM", "") not in ("", "dumb")


def clock_time(seconds: float) -> str:
    """Seconds as ``m:ss``, or ``h:mm:ss`` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _write(terminal: TextIO, text: str) -> None:
    terminal.write(text)
    terminal.flush()

"""Write-back: the traces of solved tasks, which never take a preference's place in a context."""

from __future__ import annotations

from collections.abc import Sequence

from evals.distribution import percentile
from evals.grid import Grid
from evals.memory.report import Told, milliseconds

TRACES = 10
"""How many traces are written back."""


def write_back_table(contexts: int, changed: Sequence[str], seconds: Sequence[float]) -> Told:
    """How many contexts there are, how many of them the traces changed, and how long a trace takes to store."""
    middle, slow = milliseconds(percentile(seconds, 0.5)), milliseconds(percentile(seconds, 0.95))
    return Told(
        f"write-back, {len(seconds)} traces",
        Grid(("contexts", "changed", "write p50", "p95"), ((str(contexts), str(len(changed)), middle, slow),), texts=()),
        "The traces have the very requests of tasks, so by similarity alone they would come first.",
    )

"""pytest-benchmark's entries in a saved file: its own commands read them, so their figures must be those of the trials."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.errors import RunFileError
from evals.metrics import METRICS, durations
from evals.recording import entry_name
from evals.run import Run


def check_entries(file: Path, run: Run, entries: Sequence[Any]) -> None:
    """Check that there is a true entry for every metric of every series that has values.

    Raises:
        RunFileError: for the first one that is missing or says something else than its trials.
    """
    told = {str(entry.get("name")): entry.get("stats") for entry in entries if isinstance(entry, dict)}
    for series in run.settings.series:
        for metric in METRICS:
            measured, name = durations(run.of_series(series), metric), entry_name(series, metric)
            if measured and (flaw := _flaw(told.get(name), measured)):
                raise RunFileError(f"{file}: benchmarks, {name}: {flaw}; it was edited, or not written by this suite")


def _flaw(stats: Any, measured: Sequence[float]) -> str:
    """What is wrong with the figures of an entry, for the seconds that were measured; empty when nothing is."""
    if not isinstance(stats, dict):
        return "there is no such entry, and its trials have times"
    for name, value in _figures(measured).items():
        if not _is_near(said := stats.get(name), value):
            return f"its {name} is {said}, and that of its trials is {value:.9g} s"
    data = stats.get("data")
    if not isinstance(data, list) or len(data) != len(measured) or not all(map(_is_near, data, measured)):
        return "its raw data are not the times of its trials"
    return ""


def _figures(measured: Sequence[float]) -> dict[str, float]:
    mean, middle = statistics.fmean(measured), statistics.median(measured)
    return {"min": min(measured), "max": max(measured), "mean": mean, "median": middle}


def _is_near(said: Any, seconds: float) -> bool:
    # An integer of any length is JSON, and no float.
    return isinstance(said, int | float) and abs(said) < 1e300 and math.isclose(said, seconds, rel_tol=1e-6, abs_tol=1e-9)

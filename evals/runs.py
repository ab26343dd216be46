"""Saved runs: pytest-benchmark files that hold, besides its entries, a whole run under ``evals``."""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.errors import RunFileError
from evals.metrics import METRICS, durations
from evals.recording import entry_name
from evals.run import Header, Run
from evals.runfile import check, check_format, check_trial, messages_of, parse, read_bytes
from evals.schedule import TrialKey
from evals.served import hash_of
from evals.settings import Settings
from evals.trials import Trial

_PART = "evals"


def load_run(file: Path) -> Run:
    """Load a saved run, trusting nothing in it.

    Raises:
        RunFileError: when the file cannot be read, is too large, damaged, cut off, no strict JSON, no saved run of this suite, of
            another format, or when its parts contradict each other; with the file, the place and the reason.
    """
    whole = parse(file, "", read_bytes(file))
    if not isinstance(whole, dict) or not isinstance(whole.get("benchmarks"), list):
        raise RunFileError(f"{file}: it is no file of pytest-benchmark's")
    if not isinstance(part := whole.get(_PART), dict):
        raise RunFileError(f"{file}: it holds no run of this suite, only benchmarks of something else")
    check_format(file, _PART, part)
    check(file, _PART, part, "run")
    run = Run(
        header=Header.from_dict(part),
        trials=tuple(map(Trial.from_dict, part["trials"])),
        messages=messages_of(file, f"{_PART}.messages", part["messages"]),
        missing=tuple(map(_key, part["missing"])),
        stopped=part["stopped"],
    )
    _refuse_contradictions(file, run, part)
    _refuse_edited(file, run, part, whole["benchmarks"])
    return run


def saved_part(run: Run, judgements: Mapping[str, Any]) -> dict[str, Any]:
    """A run with what it amounts to, as a saved file holds it under ``evals``."""
    part = run.to_dict() | {"judgements": judgements}
    return part | {"checksum": checksum(part)}


def checksum(part: Mapping[str, Any]) -> str:
    """SHA-256 of a saved run without its checksum, in hexadecimal digits. It guards against slips and cut corners, not against
    somebody who computes it anew.
    """
    content = {name: value for name, value in part.items() if name != "checksum"}
    return hash_of(json.dumps(content, sort_keys=True, separators=(",", ":")))


def _key(saved: list[Any]) -> TrialKey:
    epoch, task, stack, regime = saved
    return epoch, task, stack, regime


def _refuse_contradictions(file: Path, run: Run, part: dict[str, Any]) -> None:
    keys = Counter(trial.key for trial in run.trials)
    if twice := [key for key, count in keys.items() if count > 1]:
        raise RunFileError(f"{file}: {_PART}.trials: the trial {twice[0]} is there twice")
    if run.stopped is not None and not (run.settings.sequential and run.stopped <= len(run.settings.tasks)):
        raise RunFileError(f"{file}: {_PART}.stopped: only a sequential run stops early, and after no more than all its tasks")
    if both := set(keys) & set(run.missing):
        raise RunFileError(f"{file}: {_PART}.missing: {min(both)} is said to be missing and is there")
    if astray := _astray(run.settings, {*keys, *run.missing}):
        raise RunFileError(f"{file}: {_PART}.trials: {astray} is neither there nor missing, or was never planned")
    if [_key(key) for key in part["faulted"]] != [trial.key for trial in run.faulted]:
        raise RunFileError(f"{file}: {_PART}.faulted: its trials say that {len(run.faulted)} ended in a fault, not these")
    if part["complete"] != run.complete:
        raise RunFileError(f"{file}: {_PART}.complete: it says {part['complete']}, and its trials say {run.complete}")
    for index, trial in enumerate(run.trials):
        check_trial(file, f"{_PART}.trials[{index}]", trial, run.messages)


def _refuse_edited(file: Path, run: Run, part: Mapping[str, Any], entries: list[Any]) -> None:
    """Refuse figures that are not those of the trials: pytest-benchmark's own commands read them, so they must be true."""
    told = {str(entry.get("name")): entry.get("stats") for entry in entries if isinstance(entry, dict)}
    for series in run.settings.series:
        for metric in METRICS:
            measured, name = durations(run.of_series(series), metric), entry_name(series, metric)
            if measured and (flaw := _flaw_of_entry(told.get(name), measured)):
                raise RunFileError(f"{file}: benchmarks, {name}: {flaw}; it was edited, or not written by this suite")
    if part["checksum"] != checksum(part):
        raise RunFileError(f"{file}: {_PART}.checksum: it is not that of the run, which was edited after it was saved")


def _flaw_of_entry(stats: Any, measured: Sequence[float]) -> str:
    if not isinstance(stats, dict):
        return "there is no such entry, and its trials have times"
    expected = {
        "min": min(measured),
        "max": max(measured),
        "mean": statistics.fmean(measured),
        "median": statistics.median(measured),
    }
    for name, value in expected.items():
        if not _is_near(said := stats.get(name), value):
            return f"its {name} is {said}, and that of its trials is {value:.9g} s"
    data = stats.get("data")
    if not isinstance(data, list) or len(data) != len(measured) or not all(map(_is_near, data, measured)):
        return "its raw data are not the times of its trials"
    return ""


def _is_near(said: Any, seconds: float) -> bool:
    return isinstance(said, int | float) and math.isclose(said, seconds, rel_tol=1e-6, abs_tol=1e-9)


def _astray(settings: Settings, named: set[TrialKey]) -> TrialKey | None:
    """One trial that is planned and not named, or named and not planned."""
    planned = itertools.product(range(1, settings.epochs + 1), settings.tasks, settings.stacks, settings.regimes)
    left = set(named)
    for key in planned:
        if key not in left:
            return key
        left.remove(key)
    return min(left, default=None)

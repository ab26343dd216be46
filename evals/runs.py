"""Saved runs: pytest-benchmark files that hold, besides its entries, a whole run under ``evals``."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

from agent.errors import RunFileError
from evals.run import Header, Run
from evals.runfile import check, check_format, check_trial, messages_of, parse, read_bytes
from evals.schedule import TrialKey
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
    )
    _refuse_contradictions(file, run, part)
    return run


def _key(saved: list[Any]) -> TrialKey:
    epoch, task, stack, regime = saved
    return epoch, task, stack, regime


def _refuse_contradictions(file: Path, run: Run, part: dict[str, Any]) -> None:
    keys = Counter(trial.key for trial in run.trials)
    if twice := [key for key, count in keys.items() if count > 1]:
        raise RunFileError(f"{file}: {_PART}.trials: the trial {twice[0]} is there twice")
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


def _astray(settings: Settings, named: set[TrialKey]) -> TrialKey | None:
    """One trial that is planned and not named, or named and not planned."""
    planned = itertools.product(range(1, settings.epochs + 1), settings.tasks, settings.stacks, settings.regimes)
    left = set(named)
    for key in planned:
        if key not in left:
            return key
        left.remove(key)
    return min(left, default=None)

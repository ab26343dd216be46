"""Saved runs: pytest-benchmark files that hold, besides its entries, a whole run under ``evals``."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import RunFileError
from agent.prompts import Message
from evals.runfile import Header, check, check_format, messages_of, parse_line, read_bytes
from evals.schedule import TrialKey
from evals.trials import Trial

_PART = "evals"


@dataclass(frozen=True, slots=True)
class SavedRun:
    """A run as it was saved: its header, its trials in the order they were planned in, and the messages under their hashes.

    ``missing`` are the planned trials that were not run. The run is complete without any and without faults, and only a complete
    run may be judged.
    """

    file: Path
    header: Header
    trials: tuple[Trial, ...]
    messages: Mapping[str, Message]
    missing: tuple[TrialKey, ...]

    @property
    def faulted(self) -> tuple[TrialKey, ...]:
        """The trials that an infrastructure fault ended."""
        return tuple(trial.key for trial in self.trials if trial.fault is not None)

    @property
    def complete(self) -> bool:
        """Whether every planned trial has an answer."""
        return not self.missing and not self.faulted


def load_run(file: Path) -> SavedRun:
    """Load a saved run, trusting nothing in it.

    Raises:
        RunFileError: when the file cannot be read, is too large, damaged, cut off, no strict JSON, no saved run of this suite, of
            another format, or when its parts contradict each other; with the file, the place and the reason.
    """
    whole = parse_line(file, "", read_bytes(file))
    if not isinstance(whole, dict) or not isinstance(whole.get("benchmarks"), list):
        raise RunFileError(f"{file}: it is no file of pytest-benchmark's")
    if not isinstance(part := whole.get(_PART), dict):
        raise RunFileError(f"{file}: it holds no run of this suite, only benchmarks of something else")
    check_format(file, _PART, part)
    check(file, _PART, part, "run")
    header = Header.from_dict(part)
    messages = messages_of(file, f"{_PART}.messages", part["messages"])
    trials = tuple(map(Trial.from_dict, part["trials"]))
    run = SavedRun(file, header, trials, messages, tuple(map(_key, part["missing"])))
    _refuse_contradictions(run, part)
    return run


def _key(saved: list[Any]) -> TrialKey:
    epoch, task, stack, regime = saved
    return epoch, task, stack, regime


def _refuse_contradictions(run: SavedRun, part: dict[str, Any]) -> None:
    keys = Counter(trial.key for trial in run.trials)
    if twice := [key for key, count in keys.items() if count > 1]:
        raise RunFileError(f"{run.file}: {_PART}.trials: the trial {twice[0]} is there twice")
    if both := set(keys) & set(run.missing):
        raise RunFileError(f"{run.file}: {_PART}.missing: {min(both)} is said to be missing and is there")
    if planned := _planned(run.header) ^ {*keys, *run.missing}:
        raise RunFileError(f"{run.file}: {_PART}.trials: {min(planned)} is neither there nor missing, or was never planned")
    if tuple(map(_key, part["faulted"])) != run.faulted:
        raise RunFileError(f"{run.file}: {_PART}.faulted: its trials say that these ended in a fault: {run.faulted}")
    if part["complete"] != run.complete:
        raise RunFileError(f"{run.file}: {_PART}.complete: it says {part['complete']}, and its trials say {run.complete}")
    for index, trial in enumerate(run.trials):
        _refuse_impossible(run, f"{_PART}.trials[{index}]", trial)


def _planned(header: Header) -> set[TrialKey]:
    settings = header.settings
    epochs = range(1, settings.epochs + 1)
    return set(itertools.product(epochs, settings.tasks, settings.stacks, settings.regimes))


def _refuse_impossible(run: SavedRun, place: str, trial: Trial) -> None:
    attempts = [*trial.attempts, *(attempt for fault in trial.faults for attempt in fault.attempts)]
    sent = [*(attempt.messages for attempt in attempts), *(fault.messages for fault in trial.faults)]
    if lost := set(itertools.chain(*sent)) - run.messages.keys():
        raise RunFileError(f"{run.file}: {place}: message {min(lost)} is not among the messages")
    for completion in (attempt.completion for attempt in attempts):
        if completion.ttft is not None and completion.ttft > completion.latency:
            raise RunFileError(f"{run.file}: {place}: a TTFT of {completion.ttft} s is longer than its latency")

"""Saved runs: pytest-benchmark files that hold, besides its entries, a whole run under ``evals``."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.errors import RunFileError
from evals.entries import check_entries
from evals.pair import PARTS, Pair, refuse_unpaired
from evals.run import Header, Run
from evals.runfile import check, check_format, check_trial, messages_of, no_collection, parse, read_bytes
from evals.schedule import Arm, TrialKey
from evals.served import hash_of
from evals.settings import Settings
from evals.trials import Trial


def load_run(file: Path, part: Arm = "head") -> Run:
    """Load a saved run, trusting nothing in it: of an A/B session the head's, or the base's, which is checked against the head's.

    Raises:
        RunFileError: when the file cannot be read, is too large, damaged, cut off, no strict JSON, no saved run of this suite, of
            another format, or when its parts contradict each other; with the file, the place and the reason.
    """
    if part == "base":
        return load_pair(file).base
    with no_collection():
        return _loaded(file, _whole(file), PARTS["head"])


def load_pair(file: Path) -> Pair:
    """Load both runs of a saved A/B session, trusting nothing in them.

    Raises:
        RunFileError: as :func:`load_run`, and when it is no A/B session or its runs contradict each other.
    """
    with no_collection():
        whole = _whole(file)
        head = _loaded(file, whole, PARTS["head"])
        if PARTS["base"] not in whole:
            raise RunFileError(f"{file}: it holds one run alone, since it is no A/B session. Next: pytest evals/ -m live --ab REF")
        pair = Pair(base=_loaded(file, whole, PARTS["base"]), head=head)
    refuse_unpaired(file, pair)
    return pair


def _whole(file: Path) -> dict[str, Any]:
    whole = parse(file, "", read_bytes(file))
    if not isinstance(whole, dict) or not isinstance(whole.get("benchmarks"), list):
        raise RunFileError(f"{file}: it is no file of pytest-benchmark's")
    return whole


def _loaded(file: Path, whole: dict[str, Any], name: str) -> Run:
    if not isinstance(part := whole.get(name), dict):
        raise RunFileError(f"{file}: it holds no run of this suite, only benchmarks of something else")
    check_format(file, name, part)
    check(file, name, part, "run")
    run = Run(
        header=Header.from_dict(part),
        trials=tuple(map(Trial.from_dict, part["trials"])),
        messages=messages_of(file, f"{name}.messages", part["messages"]),
        missing=tuple(map(_key, part["missing"])),
        stopped=part["stopped"],
    )
    try:
        run.header.fingerprint.differences(run.header.fingerprint)
    except RecursionError as error:
        raise RunFileError(f"{file}: {name}.fingerprint: it is nested too deeply") from error
    _refuse_contradictions(file, run, part, name)
    if name == PARTS["head"]:
        check_entries(file, run, whole["benchmarks"])
    if part["checksum"] != checksum(part):
        raise RunFileError(f"{file}: {name}.checksum: it is not that of the run, which was edited after it was saved")
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


def _refuse_contradictions(file: Path, run: Run, part: dict[str, Any], name: str) -> None:
    keys = Counter(trial.key for trial in run.trials)
    if twice := [key for key, count in keys.items() if count > 1]:
        raise RunFileError(f"{file}: {name}.trials: the trial {twice[0]} is there twice")
    if run.stopped is not None and not (run.settings.sequential and run.stopped < len(run.settings.tasks)):
        raise RunFileError(f"{file}: {name}.stopped: only a sequential run stops early, before its last task")
    if both := set(keys) & set(run.missing):
        raise RunFileError(f"{file}: {name}.missing: {min(both)} is said to be missing and is there")
    if astray := _astray(run.settings, {*keys, *run.missing}):
        raise RunFileError(f"{file}: {name}.trials: {astray} is neither there nor missing, or was never planned")
    if [_key(key) for key in part["faulted"]] != [trial.key for trial in run.faulted]:
        raise RunFileError(f"{file}: {name}.faulted: its trials say that {len(run.faulted)} ended in a fault, not these")
    if part["complete"] != run.complete:
        raise RunFileError(f"{file}: {name}.complete: it says {part['complete']}, and its trials say {run.complete}")
    for index, trial in enumerate(run.trials):
        check_trial(file, f"{name}.trials[{index}]", trial, run.messages)


def _astray(settings: Settings, named: set[TrialKey]) -> TrialKey | None:
    """One trial that is planned and not named, or named and not planned."""
    planned = itertools.product(range(1, settings.epochs + 1), settings.tasks, settings.stacks, settings.regimes)
    left = set(named)
    for key in planned:
        if key not in left:
            return key
        left.remove(key)
    return min(left, default=None)

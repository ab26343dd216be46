"""Baselines: runs that somebody blessed, one for each comparable part of a fingerprint, in files of a folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from agent.errors import RunFileError, SettingsError
from evals.likeness import Changed, mend, unfit, unlike
from evals.run import Run
from evals.runfile import read_bytes
from evals.runs import load_run
from fixtures.data import FOLDER

BASELINES = FOLDER / "baselines"
_CHANGEABLE = ("prompts", "schema", "stacks")
"""What of the identity a prompt change is about; a baseline stands for all of its versions."""


@dataclass(frozen=True, slots=True)
class Blessed:
    """A baseline: its file, the run in it, and the name of the run that it replaced, if there was one."""

    file: Path
    run: Run
    replaced: str | None


def bless(file: Path, folder: Path = BASELINES) -> Blessed:
    """Make the run in ``file`` the baseline for its fingerprint's comparable part. Its file appears whole or not at all.

    Raises:
        RunFileError: when the file is no sound run.
        SettingsError: when the run is incomplete, met faults or was stopped early, or the folder cannot be written to.
    """
    run = load_run(file)
    if run.flaw:
        raise SettingsError(f"{file} cannot be a baseline: {run.flaw}. Next: {mend(run)}")
    if run.stopped is not None:
        raise SettingsError(
            f"{file} cannot be a baseline: it was stopped after {run.stopped} of {len(run.settings.tasks)} tasks."
            " Next: measure it without --sequential"
        )
    blessed = folder / file_name(run)
    replaced = _name_of(blessed) if blessed.exists() else None
    _write(blessed, read_bytes(file))
    return Blessed(blessed, run, replaced)


def _name_of(file: Path) -> str:
    try:
        return load_run(file).header.run
    except RunFileError:
        return "a file that could not be read"


def find_baseline(head: Run, changed: Collection[Changed], folder: Path = BASELINES) -> Path:
    """The file of the baseline that HEAD can be compared with.

    Raises:
        RunFileError: when there is none, saying why those that are there do not fit, or several.
    """
    files = sorted(folder.glob("*.json"))
    why = {file: _why_not(file, head, changed) for file in files}
    fitting = [file for file, reasons in why.items() if not reasons]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise RunFileError(f"{len(fitting)} baselines are like this run; name one of them: {', '.join(map(str, fitting))}")
    if not files:
        raise RunFileError(f"There is no baseline in {folder}. Next: python -m evals bless RUN")
    reasons = "; ".join(f"{file.name}: {found[0]}" for file, found in why.items())
    raise RunFileError(f"No baseline in {folder} is like this run. {reasons}. Next: python -m evals bless RUN for one that is")


def _why_not(file: Path, head: Run, changed: Collection[Changed]) -> list[str]:
    try:
        base = load_run(file)
    except RunFileError as error:
        return [f"{error}. Next: delete it, or bless a run in its place"]
    if base.header.run == head.header.run:
        return ["it is this very run"]
    return [*unfit("BASE", base), *unlike(base, head, changed)]


def file_name(run: Run) -> str:
    """The name of a run's baseline: its model and size for people, and the hash of what must be equal."""
    settings, identity = run.settings, run.header.fingerprint.identity
    comparable = {name: value for name, value in identity.items() if name not in _CHANGEABLE}
    comparable["plan"] = [sorted(settings.tasks), sorted(settings.stacks), sorted(settings.regimes), settings.epochs]
    digest = hashlib.sha256(json.dumps(comparable, sort_keys=True).encode()).hexdigest()
    model = re.sub(r"[^A-Za-z0-9.]+", "-", run.header.target.model).strip("-.")[:40]
    return f"{model}-{len(settings.tasks)}x{settings.epochs}-{digest[:12]}.json"


def _write(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".bless-") as folder:
            written = Path(folder, file.name)
            with written.open("wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
            written.replace(file)
    except OSError as error:
        raise SettingsError(f"The baseline {file} cannot be written: {error}") from error

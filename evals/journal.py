"""The journal: one JSON line for the run, then one for every trial, on disk before the next call.

A line for a trial also holds the messages that no line before it held. A process that is killed loses at most the line it was
writing, and a run that was cut off goes on in the same file.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self

from agent.errors import RunFileError, SettingsError
from agent.prompts import Message
from evals.run import Header
from evals.runfile import MOST_BYTES, check, check_format, check_trial, messages_of, parse, read_bytes
from evals.schedule import TrialKey
from evals.trials import Trial

LATEST = "latest"
_BEGUN = b'{"run": '
_FINISHED = b'{"finished": true}\n'


@dataclass(frozen=True, slots=True)
class Journalled:
    """What a journal holds: the run's header, its trials and messages, and whether the run had been saved.

    Of a trial that met a fault and was run again when the run went on, the last line counts, and it has the faults of all.
    """

    header: Header
    trials: Mapping[TrialKey, Trial]
    messages: Mapping[str, Message]
    finished: bool


class Journal:
    """An open journal. Two processes never have the same one open: the file is locked, and the lock ends with the process."""

    def __init__(self, file: Path, lines: IO[bytes]) -> None:
        self.file = file
        self._lines = lines

    @classmethod
    def create(cls, folder: Path, run: str, header: Header) -> Self:
        """Begin the journal of a new run, in a folder that is made when needed.

        Raises:
            SettingsError: when the folder cannot be written to.
        """
        file = folder / f"{run}.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            journal = cls(file, _locked(file, "xb"))
        except OSError as error:
            raise _not_written(file, error) from error
        try:
            journal._write({"run": header.to_dict()})
        except SettingsError:
            journal.close()
            file.unlink()
            raise
        return journal

    @classmethod
    def resume(cls, file: Path) -> tuple[Self, Journalled]:
        """Open the journal of a run that was cut off, without the line that was being written then.

        Raises:
            RunFileError: when it cannot be read, is damaged elsewhere than at its end, or belongs to a run that is not over.
        """
        try:
            lines = _locked(file, "r+b")
        except OSError as error:
            raise RunFileError(f"{file} cannot be opened: {error}") from error
        try:
            content = read_bytes(file, lines)
            whole = content[: content.rfind(b"\n") + 1]
            journalled = _parsed(file, whole)
            lines.truncate(len(whole))
            lines.seek(len(whole))
        except BaseException:
            lines.close()
            raise
        return cls(file, lines), journalled

    def add(self, trial: Trial, messages: Mapping[str, Message]) -> None:
        """Append one trial with the messages that are new; they are on disk when this returns.

        Raises:
            SettingsError: when they cannot be written, for want of space for example.
        """
        self._write({"trial": trial.to_dict(), "messages": {name: asdict(message) for name, message in messages.items()}})

    def finish(self) -> None:
        """Note that the run is complete and saved, so that there is nothing to resume."""
        self._write({"finished": True})

    def close(self) -> None:
        """Close the file and release its lock."""
        self._lines.close()

    def _write(self, line: dict[str, Any]) -> None:
        content = json.dumps(line).encode() + b"\n"
        try:
            # Unbuffered, so that nothing is left to be written when the file is closed.
            if self._lines.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._lines.fileno())
        except OSError as error:
            raise _not_written(self.file, error) from error


def new_run_id() -> str:
    """A name for a run: the second it began, in UTC, and something random."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"


def read_journal(file: Path) -> Journalled:
    """What a journal holds, without opening it for writing. A last line without an end is left out.

    Raises:
        RunFileError: when it cannot be read or is damaged elsewhere.
    """
    content = read_bytes(file)
    return _parsed(file, content[: content.rfind(b"\n") + 1])


def find_journal(folder: Path, choice: str) -> Path:
    """The journal that was asked for: a path, the name of a run, or :data:`LATEST`, the newest one of a run that is not complete.

    Raises:
        RunFileError: when there is none, listing those that are there.
    """
    files = {file.stem: file for file in sorted(folder.glob("*.jsonl"), reverse=True)}
    if choice in files:
        return files[choice]
    if choice.endswith(".jsonl") and Path(choice).is_file():
        return Path(choice)
    unfinished = [file for file in files.values() if _can_go_on(file)]
    if choice == LATEST and unfinished:
        return unfinished[0]
    if not unfinished:
        raise RunFileError(f"There is no run in {folder} that could go on. Next: begin one with pytest evals/ -m live")
    there = ", ".join(file.stem for file in unfinished[:5])
    raise RunFileError(f"--resume {choice}: there is no such run in {folder}; these could go on: {there}. Next: --resume={LATEST}")


def resume_command(journal: Path) -> str:
    """The command that goes on with the run of a journal."""
    storage = journal.parent.parent
    elsewhere = "" if storage.resolve() == Path(".benchmarks").resolve() else f" --benchmark-storage=file://{storage}"
    return f"pytest evals/ -m live{elsewhere} --resume={journal.stem}"


def _can_go_on(file: Path) -> bool:
    """Whether a file looks like the journal of a run that is not finished and no arm of an A/B session, by its first line and its
    last bytes.
    """
    with file.open("rb") as lines:
        header = lines.readline(MOST_BYTES)
        begun = header.startswith(_BEGUN) and header.endswith(b"\n") and not _is_of_ab(header)
        lines.seek(max(0, file.stat().st_size - len(_FINISHED)))
        return begun and lines.read() != _FINISHED


def _is_of_ab(header: bytes) -> bool:
    # Whatever else is wrong with it is said when the journal is read.
    with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
        settings = json.loads(header)["run"]["settings"]
        return settings.get("ab") is not None or settings.get("ab_model") is not None
    return False


def _not_written(file: Path, error: OSError) -> SettingsError:
    return SettingsError(f"The journal {file} cannot be written: {error}. Next: free space, or choose a --benchmark-storage")


def _locked(file: Path, mode: str) -> IO[bytes]:
    import portalocker

    lines: IO[bytes] = file.open(mode, buffering=0)
    try:
        portalocker.lock(lines, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.LockException as error:
        lines.close()
        raise RunFileError(f"{file} belongs to a run that is going on in another process. Next: wait for it, or stop it") from error
    return lines


def _parsed(file: Path, content: bytes) -> Journalled:
    header: Header | None = None
    trials: dict[TrialKey, Trial] = {}
    messages: dict[str, Message] = {}
    finished = False
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        place = f"line {number}"
        value = parse(file, place, line)
        if number == 1 and isinstance(value, dict):
            check_format(file, place, value.get("run"))
        check(file, place, value, "journal_line")
        if number == 1 and "run" in value:
            header = Header.from_dict(value["run"])
        elif header is None or "run" in value:
            raise RunFileError(f"{file}: {place}: a journal begins with one line for its run")
        elif "trial" in value:
            messages |= messages_of(file, place, value["messages"])
            trial = Trial.from_dict(value["trial"])
            check_trial(file, place, trial, messages)
            _refuse_repeated(file, place, trial, trials.get(trial.key))
            trials[trial.key] = trial
            finished = False
        else:
            finished = True
    if header is None:
        raise RunFileError(f"{file}: it holds no whole line; the run was cut off before it began")
    return Journalled(header, trials, messages, finished)


def _refuse_repeated(file: Path, place: str, trial: Trial, before: Trial | None) -> None:
    if before is not None and before.fault is None:
        raise RunFileError(f"{file}: {place}: the trial {trial.key} has an answer in a line before")

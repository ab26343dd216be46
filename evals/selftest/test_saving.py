"""Saving runs: a file is whole or not there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import portalocker
import pytest
from pytest_benchmark.storage.file import FileStorage

from evals.saving import AtomicFileStorage, make_atomic


@dataclass
class Log:
    """What pytest-benchmark's storage tells its logger."""

    lines: list[str] = field(default_factory=list)

    def info(self, line: str) -> None:
        """Keep the line."""
        self.lines.append(line)


def storage(folder: Path) -> Any:
    """A storage in this folder."""
    make: Any = AtomicFileStorage
    return make(folder, Log(), "machine")


def test_runs_are_numbered_and_nothing_else_is_left(tmp_path: Path) -> None:
    """Runs get the next number, are found by pytest-benchmark's own storage, and no temporary file stays."""
    kept = storage(tmp_path)
    for number in (1, 2):
        kept.save({"number": number}, "run")
        assert kept.saved == tmp_path / "machine" / f"000{number}_run.json"
    files = sorted((tmp_path / "machine").iterdir())
    assert [json.loads(file.read_text(encoding="utf-8")) for file in files] == [{"number": 1}, {"number": 2}]


def test_a_write_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full, there is no file under the run's name, and no part of one, and the reason is kept."""
    kept = storage(tmp_path)

    def full(*_: object, **__: object) -> object:
        raise OSError("disk full")

    monkeypatch.setattr(portalocker, "open_atomic", full)
    kept.save({"number": 1}, "run")
    assert (kept.saved, kept.failure) == (None, "disk full; its trials are in the journal")
    assert list((tmp_path / "machine").iterdir()) == []


def test_a_file_in_place_of_the_folder_is_a_failure(tmp_path: Path) -> None:
    """Where no folder can be, saving ends with its reason."""
    (tmp_path / "machine").write_text("a file", encoding="utf-8")
    kept = storage(tmp_path)
    kept.save({"number": 1}, "run")
    assert kept.saved is None
    assert kept.failure.endswith("its trials are in the journal")


def test_a_name_that_was_taken_in_the_meantime_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When another process saved under the same number first, its file stays as it is, and this run takes the next number."""
    kept = storage(tmp_path)
    (tmp_path / "machine").mkdir()
    numbers = iter(["0001", "0002"])
    monkeypatch.setattr(AtomicFileStorage, "_next_num", property(lambda _: next(numbers)))
    (tmp_path / "machine" / "0001_run.json").write_text("theirs", encoding="utf-8")
    kept.save({"number": 2}, "run")
    assert (tmp_path / "machine" / "0001_run.json").read_text(encoding="utf-8") == "theirs"
    assert kept.saved == tmp_path / "machine" / "0002_run.json"


def test_other_storages_stay_as_they_are(tmp_path: Path) -> None:
    """Only pytest-benchmark's own file storage is replaced, and it keeps its folder and machine."""

    @dataclass
    class Session:
        storage: Any

    make: Any = FileStorage
    session, other = Session(make(tmp_path, Log(), "machine")), Session(object())
    make_atomic(session)
    before = other.storage
    make_atomic(other)
    assert (type(session.storage), session.storage.path) == (AtomicFileStorage, tmp_path)
    assert session.storage.default_machine_id == "machine"
    assert other.storage is before

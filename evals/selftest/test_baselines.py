"""Baselines, and names of saved runs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.errors import RunFileError, SettingsError
from evals.baselines import bless, file_name, find_baseline
from evals.likeness import Changed
from evals.names import find_file, load_pair
from evals.run import Run
from evals.runs import load_run
from evals.selftest.factories import TIMEOUT, run_of, saved_file, trial

PROMPT: tuple[Changed, ...] = ("prompt",)
MODEL: tuple[Changed, ...] = ("model",)


def run(name: str = "head", tasks: int = 3, *, epochs: int = 1, **identity: Any) -> Run:
    """A run with these marks of identity besides its model's name."""
    plain = run_of({f"t{number}": [True] * epochs for number in range(tasks)}, name)
    marks = plain.header.fingerprint
    return replace(plain, header=replace(plain.header, fingerprint=replace(marks, identity=marks.identity | identity)))


def save(folder: Path, one: Run, number: int = 1, machine: str = "Linux") -> Path:
    """The run in a numbered file, as pytest-benchmark names it, one second younger than the number before."""
    file = folder / machine / f"{number:04}_commit.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(saved_file(one)), encoding="utf-8")
    os.utime(file, (1_000_000 + number, 1_000_000 + number))
    return file


def test_a_blessed_run_is_found_for_a_run_with_another_prompt(tmp_path: Path) -> None:
    """The baseline stands for its model, tasks and epochs; prompts, schema and what stacks are made of do not enter."""
    blessed = bless(save(tmp_path, run("base", prompts={"rules": "a"})), tmp_path / "baselines")
    head = run("head", prompts={"rules": "b"}, schema="s", stacks={"naive": {"contract": True}})
    assert find_baseline(head, PROMPT, tmp_path / "baselines") == blessed.file
    assert load_run(blessed.file).header.run == "base"
    assert blessed.replaced is None


def test_blessing_replaces_the_baseline_of_the_same_part(tmp_path: Path) -> None:
    """A later run with another prompt takes the place of the one before, which is named; nothing else is left in the folder."""
    folder = tmp_path / "baselines"
    first = bless(save(tmp_path, run("first", prompts={"rules": "a"})), folder)
    second = bless(save(tmp_path, run("second", prompts={"rules": "b"}), 2), folder)
    assert (second.file, second.replaced) == (first.file, "first")
    assert list(folder.iterdir()) == [first.file]


@pytest.mark.parametrize(
    "other",
    [run(model={"name": "n"}), run(tasks=4), run(epochs=2), run(server={"version": "2"}), run(sampling={"seed": 1})],
    ids=["model", "tasks", "epochs", "server", "sampling"],
)
def test_other_parts_have_baselines_of_their_own(tmp_path: Path, other: Run) -> None:
    """Runs that could not be compared do not take each other's place."""
    assert file_name(other) != file_name(run())
    bless(save(tmp_path, run("base")), tmp_path / "baselines")
    with pytest.raises(RunFileError, match=r"No baseline in .* is like this run\..*Next: python -m evals bless RUN"):
        find_baseline(other, PROMPT, tmp_path / "baselines")


def test_several_fitting_baselines_are_named(tmp_path: Path) -> None:
    """When the model is meant to differ, several models' baselines may fit, and one must be named."""
    folder = tmp_path / "baselines"
    files = [bless(save(tmp_path, run(name, model={"name": name})), folder).file for name in ("a", "b")]
    with pytest.raises(RunFileError, match="2 baselines are like this run") as raised:
        find_baseline(run(model={"name": "c"}), MODEL, folder)
    assert all(str(file) in str(raised.value) for file in files)


def test_a_file_that_cannot_be_read_blocks_no_other(tmp_path: Path) -> None:
    """A stray file beside a fitting baseline is passed over; alone it is named, and blessing replaces a damaged baseline."""
    folder = tmp_path / "baselines"
    blessed = bless(save(tmp_path, run("base")), folder)
    (folder / "zz.json").write_text("{}", encoding="utf-8")
    assert find_baseline(run(), PROMPT, folder) == blessed.file
    blessed.file.write_text("{", encoding="utf-8")
    with pytest.raises(RunFileError, match="delete it, or bless a run in its place"):
        find_baseline(run(), PROMPT, folder)
    assert bless(save(tmp_path, run("other"), 2), folder).replaced == "a file that could not be read"


def test_the_baseline_itself_is_told_from_one_that_does_not_fit(tmp_path: Path) -> None:
    """Judging the blessed run against itself is refused as just that."""
    bless(save(tmp_path, run("base")), tmp_path / "baselines")
    with pytest.raises(RunFileError, match="it is this very run"):
        find_baseline(run("base"), PROMPT, tmp_path / "baselines")


def test_no_baseline_is_an_error_with_the_next_step(tmp_path: Path) -> None:
    """An empty folder, or none, names the command that makes a baseline."""
    with pytest.raises(RunFileError, match=r"There is no baseline in .* Next: python -m evals bless RUN"):
        find_baseline(run(), PROMPT, tmp_path / "nowhere")


def incomplete() -> Run:
    """A run without its last trial."""
    whole = run()
    return replace(whole, trials=whole.trials[:-1], missing=(whole.trials[-1].key,))


def stopped() -> Run:
    """A sequential run that was stopped after one task."""
    whole = run_of({f"t{number}": [True] for number in range(3)}, sequential=True)
    first = whole.measured_tasks[0]
    missing = tuple(one.key for one in whole.trials if one.task != first)
    return replace(whole, trials=tuple(one for one in whole.trials if one.task == first), missing=missing, stopped=1)


def faulted() -> Run:
    """A run with a trial that met a fault."""
    whole = run()
    return replace(whole, trials=(trial(task="t0", fault=TIMEOUT), *whole.trials[1:]))


UNFIT = {"incomplete": (incomplete(), "--resume"), "stopped": (stopped(), "without --sequential"), "faulted": (faulted(), "fault")}


@pytest.mark.parametrize("case", UNFIT)
def test_only_whole_runs_are_blessed(tmp_path: Path, case: str) -> None:
    """Incomplete, stopped and faulted runs are refused, and the baseline before them stays."""
    folder, (unfit, reason) = tmp_path / "baselines", UNFIT[case]
    before = bless(save(tmp_path, run("base")), folder)
    with pytest.raises(SettingsError, match=reason):
        bless(save(tmp_path, unfit, 2), folder)
    assert load_run(before.file).header.run == "base"


def test_a_damaged_run_is_never_blessed(tmp_path: Path) -> None:
    """What cannot be read is refused as such."""
    file = save(tmp_path, run())
    file.write_text(file.read_text(encoding="utf-8")[:-100], encoding="utf-8")
    with pytest.raises(RunFileError, match="damaged or cut off"):
        bless(file, tmp_path / "baselines")
    assert not (tmp_path / "baselines").exists()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A file in the place of the folder is an error with the file's name, not a traceback."""
    (tmp_path / "baselines").write_text("")
    with pytest.raises(SettingsError, match="cannot be written"):
        bless(save(tmp_path, run()), tmp_path / "baselines")


@pytest.mark.parametrize(("name", "number"), [("0002", 2), ("2", 2), ("latest", 3), ("0010", 10)])
def test_runs_have_numbers(tmp_path: Path, name: str, number: int) -> None:
    """A number, with its zeros or without, and ``latest`` name a file."""
    files = {number: save(tmp_path, run(), number) for number in (1, 2, 10, 3)}
    os.utime(files[3], (2_000_000, 2_000_000))
    assert find_file(name, tmp_path) == files[number]


def test_a_path_is_a_name(tmp_path: Path) -> None:
    """A file is named by its path, wherever it lies."""
    file = save(tmp_path, run())
    assert find_file(str(file), tmp_path / "elsewhere") == file


def test_a_number_of_two_machines_is_ambiguous(tmp_path: Path) -> None:
    """Where two machines saved a run of the same number, both files are named."""
    files = [save(tmp_path, run(), machine=machine) for machine in ("Linux", "Darwin")]
    with pytest.raises(RunFileError, match="stands for 2 files") as raised:
        find_file("1", tmp_path)
    assert all(str(file) in str(raised.value) for file in files)


@pytest.mark.parametrize(
    ("numbers", "shown"), [((), "Nothing is saved below"), ((1, 2), "there are 0002, 0001"), (range(1, 15), "and 4 older")]
)
def test_an_unknown_name_lists_what_exists(tmp_path: Path, numbers: Sequence[int], shown: str) -> None:
    """The error names the newest runs, or that there are none."""
    for number in numbers:
        save(tmp_path, run(), number)
    with pytest.raises(RunFileError, match=r"There is no run 'nonsense'\.") as raised:
        find_file("nonsense", tmp_path)
    assert shown in str(raised.value)


@pytest.mark.parametrize("name", ["baseline", "ab"])
def test_head_is_a_run_of_its_own(tmp_path: Path, name: str) -> None:
    """HEAD cannot be a baseline or another arm."""
    with pytest.raises(RunFileError, match="can only be BASE"):
        load_pair("latest", name, PROMPT, tmp_path, tmp_path)


def test_a_run_alone_has_no_other_arm(tmp_path: Path) -> None:
    """``ab`` names the other arm of an A/B session, and no other run has one."""
    save(tmp_path, run())
    with pytest.raises(RunFileError, match="no A/B session"):
        load_pair("ab", "latest", PROMPT, tmp_path, tmp_path)

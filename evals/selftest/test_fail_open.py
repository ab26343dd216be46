"""Ways in which a gate could let a bad change through, each tried on the command; the README shows the same table."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evals.__main__ import main
from evals.run import Run
from evals.runs import checksum, saved_part
from evals.selftest.factories import in_one_session, run_of, saved_file
from evals.selftest.live_session import ROOT

LIMITS = """\
[[limit]]
metric = "schema-valid"
direction = "fall"
margin = 5
unit = "points"
reason = "One in twenty."

[[limit]]
metric = "ttft"
direction = "rise"
margin = 15
unit = "percent"
reason = "Noticeable."
"""
Saved = dict[str, Any]


def run(valid: int, name: str, tasks: int = 64, epochs: int = 2, **options: Any) -> Run:
    """A run in which the first tasks are valid in every epoch."""
    return run_of({f"t{number}": [number < valid] * epochs for number in range(tasks)}, name, **options)


BASE, HEAD, BAD = (saved_file(run(valid, name)) for valid, name in ((64, "base"), (64, "head"), (20, "bad")))


def signed(saved: Saved) -> Saved:
    """The file with the checksum of what it now holds."""
    saved["evals"]["checksum"] = checksum(saved["evals"])
    return saved


def edited(change: Callable[[Saved], object], saved: Saved = BASE, *, sign: bool = False) -> Saved:
    """A copy of a file that somebody edited; ``sign`` says that they mended its checksum, too."""
    copied = copy.deepcopy(saved)
    change(copied)
    return signed(copied) if sign else copied


def median(value: float) -> Saved:
    """The baseline with another median TTFT in pytest-benchmark's entry."""
    return edited(lambda saved: saved["benchmarks"][0]["stats"].update(median=value))


def identity(**fields: Any) -> Saved:
    """HEAD with another identity."""
    return edited(lambda saved: saved["evals"]["fingerprint"]["identity"].update(fields), HEAD, sign=True)


def latency(value: float) -> Saved:
    """The baseline with a trial of another latency, in its trials and nowhere else."""
    return edited(lambda saved: saved["evals"]["trials"][0]["attempts"][0]["completion"].update(latency=value))


def without(number: int) -> Saved:
    """HEAD without its last trials, as ``-k``, ``-x`` or an interrupt leave it."""
    whole = run(64, "head")
    return saved_file(replace(whole, trials=whole.trials[:-number], missing=tuple(one.key for one in whole.trials[-number:])))


def slow_session() -> Saved:
    """An A/B session whose head takes twice as long to the first token."""
    base, head = in_one_session(run(64, "base"), run(64, "head"))
    slow = [
        replace(one, attempts=(replace(first, completion=replace(first.completion, ttft=0.2, first_token=0.2)),))
        for one in head.trials
        for first in one.attempts
    ]
    other: Saved = json.loads(json.dumps({"evals_base": saved_part(base, {})}))
    return saved_file(replace(head, trials=tuple(slow))) | other


CASES: dict[str, tuple[Saved | str, Saved | str, int]] = {
    "baseline with a median of NaN": (median(float("nan")), BAD, 2),
    "baseline with a median of Infinity": (median(float("inf")), BAD, 2),
    "baseline with a median of 1e9": (median(1e9), BAD, 2),
    "baseline with a negative median": (median(-1.0), BAD, 2),
    "baseline with a latency of 1e9 in a trial": (latency(1e9), BAD, 2),
    "baseline with a negative latency in a trial": (latency(-1.0), BAD, 2),
    "raw data edited": (edited(lambda saved: saved["benchmarks"][0]["stats"]["data"].append(1.0)), BAD, 2),
    "statistics edited while raw data stay": (edited(lambda saved: saved["benchmarks"][0]["stats"].update(mean=9.0)), BAD, 2),
    "an entry removed": (edited(lambda saved: saved["benchmarks"].pop()), BAD, 2),
    "an outcome edited": (
        edited(lambda saved: saved["evals"]["trials"][0]["attempts"][0]["outcome"].update(rung="answered", cause="other")),
        BAD,
        2,
    ),
    "empty baseline": ("", BAD, 2),
    "baseline of no run": ({"benchmarks": []}, BAD, 2),
    "baseline cut off": (json.dumps(BASE)[:-2000], BAD, 2),
    "a key twice": (json.dumps(BASE).replace('"epochs": 2', '"epochs": 2, "epochs": 3', 1), BAD, 2),
    "task renamed": (BASE, saved_file(run_of({**{f"t{n}": [True, True] for n in range(63)}, "new": [True, True]}, "head")), 2),
    "task dropped": (BASE, saved_file(run(63, "head", tasks=63)), 2),
    "task added": (BASE, saved_file(run(65, "head", tasks=65)), 2),
    "task with another text": (BASE, identity(tasks={"t0": "other"}), 2),
    "another stack instead": (BASE, saved_file(run(64, "head", stack="optimized")), 2),
    "fewer epochs": (BASE, saved_file(run(64, "head", epochs=1)), 2),
    "another model digest": (BASE, identity(model={"name": "m", "digest": "other"}), 2),
    "another context length": (BASE, identity(model={"name": "m", "context_length": 2048}), 2),
    "incomplete run": (BASE, without(5), 2),
    "zero trials": (BASE, without(128), 2),
    "incomplete baseline": (without(5), BAD, 2),
    "the same run on both sides": (BAD, BAD, 2),
    "the bad run, gated for the second time": (BASE, BAD, 1),
}  # fmt: skip


def gate(folder: Path, base: Saved | str, head: Saved | str, *more: str) -> int:
    """The exit code of the command on two files."""
    files = []
    for name, content in (("base.json", base), ("head.json", head)):
        files.append(folder / name)
        files[-1].write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    limits = folder / "limits.toml"
    limits.write_text(LIMITS, encoding="utf-8")
    return main(["gate", *map(str, files), "--limits", str(limits), *more])


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused(tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command never ends with 0, says why, and says the same when it is run again."""
    base, head, code = CASES[case]
    assert [gate(tmp_path, base, head), gate(tmp_path, base, head)] == [code, code]
    said = capsys.readouterr().out
    assert said.startswith({1: "FAIL: ", 2: "INVALID: "}[code])
    assert "Traceback" not in said


def test_a_sound_pair_passes(tmp_path: Path) -> None:
    """The same files pass where nothing is wrong with them, so that the refusals above are for what is wrong."""
    assert gate(tmp_path, BASE, HEAD) == 0
    assert gate(tmp_path, BASE, BAD) == 1


def test_a_slow_session_fails_whenever_it_is_gated(tmp_path: Path) -> None:
    """Times of one session are judged, and the verdict stays the same: nothing takes the place of the base."""
    file = tmp_path / "head.json"
    for _ in range(2):
        assert gate(tmp_path, BASE, slow_session()) in (0, 3)
        assert main(["gate", "ab", str(file), "--limits", str(tmp_path / "limits.toml")]) == 1


def test_the_readme_has_this_table() -> None:
    """The README lists the very cases, each with its exit code."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| ([a-zA-Z].*?) \| (\d) \|", readme, re.MULTILINE))
    assert {case: str(code) for case, (_, _, code) in CASES.items()} == listed

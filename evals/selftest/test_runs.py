"""Saved runs: what is read is what was saved, and nothing in a file is trusted."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from agent.errors import CAUSES, RunFileError
from agent.model import Completion
from agent.prompts import Message
from evals import runfile
from evals.ladder import RUNGS, Outcome
from evals.messages import MessageStore
from evals.run import Run
from evals.runs import checksum, load_pair, load_run, saved_part
from evals.schedule import REGIMES, TrialKey
from evals.selftest.factories import TIMEOUT, header, saved_file, settings, trial
from evals.trials import AttemptRecord, Fault, Trial

STORE = MessageStore()
HASHES = STORE.add([Message("system", "Rules."), Message("user", "Grüße 🚀")])


def saved(trials: tuple[Trial, ...] = (trial(True, task="a"), trial(False, True, task="b"))) -> dict[str, Any]:
    """A saved run of two tasks, as pytest-benchmark's file holds it."""
    there = {one.task for one in trials}
    missing: tuple[TrialKey, ...] = tuple((1, task, "naive", "warm") for task in ("a", "b") if task not in there)
    run = Run(header(settings("a", "b")), trials, STORE.known, missing)
    return saved_file(run)


def written(folder: Path, content: dict[str, Any] | str | bytes) -> Path:
    """The content in a file."""
    file = folder / "0001_run.json"
    text = json.dumps(content) if isinstance(content, dict) else content
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def refusal(folder: Path, content: dict[str, Any] | str | bytes) -> str:
    """What the loader says of a file that it refuses, beside the file's name."""
    file = written(folder, content)
    with pytest.raises(RunFileError) as raised:
        load_run(file)
    assert str(file) in str(raised.value)
    return str(raised.value).replace(str(file), "FILE")


def test_a_run_is_read_as_it_was_saved(tmp_path: Path) -> None:
    """Header, trials and messages come back equal."""
    run = load_run(written(tmp_path, saved()))
    assert run.header == header(settings("a", "b"))
    assert run.trials == (trial(True, task="a"), trial(False, True, task="b"))
    assert run.messages == STORE.known
    assert (run.missing, run.faulted, run.complete) == ((), (), True)


def test_a_run_with_gaps_or_faults_is_incomplete(tmp_path: Path) -> None:
    """A run lacks completeness when a planned trial is missing, or when a fault ended one."""
    gap = load_run(written(tmp_path, saved((trial(True, task="a"),))))
    fault = load_run(written(tmp_path, saved((trial(True, task="a"), trial(task="b", fault=TIMEOUT)))))
    assert (gap.complete, gap.missing) == (False, ((1, "b", "naive", "warm"),))
    assert (fault.complete, [one.key for one in fault.faulted]) == (False, [(1, "b", "naive", "warm")])


def _changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    run = copy.deepcopy(saved())
    change(run)
    return run


def _first(run: dict[str, Any]) -> Any:
    return run["evals"]["trials"][0]


DAMAGED: dict[str, tuple[dict[str, Any] | str | bytes, str]] = {
    "empty": ("", "FILE: line 1, column 1: Expecting value"),
    "no JSON": ("run\n{", "FILE: line 1, column 1: Expecting value"),
    "cut off": (json.dumps(saved())[:-200], "it is damaged or cut off"),
    "no UTF-8": (b"{\xff}", "FILE: byte 1: it is no UTF-8"),
    "NaN": (json.dumps(saved()).replace("0.1,", "NaN,", 1), "NaN is not JSON"),
    "Infinity": ('{"benchmarks": [],\n "evals": -Infinity}', "FILE: line 2, column 11: -Infinity is not JSON"),
    "overflow": ('{"benchmarks": [1e999]}', 'FILE: line 1, column 17: "1e999" is too large a number'),
    "key twice": ('{"benchmarks": [], "evals": {}, "evals": {}}', 'FILE: line 1, column 33: the key "evals" appears twice'),
    "nested": ("[" * 100_000, "nested too deeply"),
    "a list": ("[]", "FILE: it is no file of pytest-benchmark's"),
    "something else": ('{"benchmarks": []}', "FILE: it holds no run of this suite"),
    "format 1": (_changed(lambda run: run.update(evals={"version": 1})), "has format 1, and this version reads format 4 alone"),
    "format 5": (_changed(lambda run: run["evals"].update(format=5)), "has format 5"),
    "no format": (_changed(lambda run: run["evals"].pop("format")), "has format None"),
    "missing part": (_changed(lambda run: run["evals"].pop("fingerprint")), "FILE: evals: 'fingerprint' is a required property"),
    "unknown part": (_changed(lambda run: run["evals"].update(extra=1)), "FILE: evals: Additional properties"),
    "negative time": (
        _changed(lambda run: _first(run)["attempts"][0]["completion"].update(latency=-1)),
        "FILE: evals.trials[0].attempts[0].completion.latency: -1 is less than the minimum of 0",
    ),
    "text for a number": (
        _changed(lambda run: _first(run)["attempts"][0]["completion"].update(prompt_tokens="many")),
        "FILE: evals.trials[0].attempts[0].completion.prompt_tokens: 'many' is not of type 'integer'",
    ),
    "unknown cause": (
        _changed(lambda run: _first(run)["attempts"][0]["outcome"].update(cause="bad luck")),
        "FILE: evals.trials[0].attempts[0].outcome.cause: 'bad luck' is not one of",
    ),
    "TTFT after the end": (
        _changed(lambda run: _first(run)["attempts"][0]["completion"].update(ttft=2.0)),
        "FILE: evals.trials[0]: a TTFT of 2.0 s is longer than its latency",
    ),
    "neither attempt nor fault": (
        _changed(lambda run: _first(run).update(attempts=[])),
        "FILE: evals.trials[0].faults: [] should be non-empty",
    ),
    "a float for an integer": (
        _changed(lambda run: run["evals"]["settings"].update(epochs=1.0)),
        "FILE: evals.settings.epochs: 1.0 is not of type 'integer'",
    ),
    "half a character": (
        _changed(lambda run: run["evals"]["messages"][HASHES[0]].update(content="\ud800")),
        "it holds half a character ('\\ud800'), which is no text",
    ),
    "endless time": (
        _changed(lambda run: _first(run)["attempts"][0]["completion"].update(latency=10**400)),
        "FILE: evals.trials[0].attempts[0].completion.latency: 1000",
    ),
    "endless plan": (
        _changed(lambda run: run["evals"]["settings"].update(epochs=100_000, tasks=[f"t{n}" for n in range(1000)])),
        "neither there nor missing",
    ),
    "task twice": (_changed(lambda run: run["evals"]["settings"].update(tasks=["a", "a"])), "has non-unique elements"),
    "trial twice": (
        _changed(lambda run: run["evals"]["trials"].append(_first(run))),
        "FILE: evals.trials: the trial (1, 'a', 'naive', 'warm') is there twice",
    ),
    "trial dropped": (_changed(lambda run: run["evals"]["trials"].pop()), "(1, 'b', 'naive', 'warm') is neither there nor missing"),
    "trial renamed": (_changed(lambda run: _first(run).update(task="c")), "is neither there nor missing, or was never planned"),
    "missing and there": (
        _changed(lambda run: run["evals"]["missing"].append([1, "a", "naive", "warm"])),
        "is said to be missing and is there",
    ),
    "said to be faulted": (
        _changed(lambda run: run["evals"]["faulted"].append([1, "a", "naive", "warm"])),
        "FILE: evals.faulted: its trials say",
    ),
    "said to be incomplete": (_changed(lambda run: run["evals"].update(complete=False)), "FILE: evals.complete: it says False"),
    "message changed": (
        _changed(lambda run: run["evals"]["messages"][HASHES[0]].update(content="Other rules.")),
        "has another content than its hash says",
    ),
    "message lost": (
        _changed(lambda run: _first(run)["attempts"][0].update(messages=["0" * 32])),
        f"FILE: evals.trials[0]: message {'0' * 32} is not among the messages",
    ),
}


@pytest.mark.parametrize(("content", "reason"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_refused_with_place_and_reason(
    tmp_path: Path, content: dict[str, Any] | str | bytes, reason: str
) -> None:
    """A file that is damaged, unlike, or contradicts itself is one error with the file, the place in it and the reason."""
    assert reason in refusal(tmp_path, content)


def test_an_oversized_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file above the limit is refused before it is parsed."""
    monkeypatch.setattr(runfile, "MOST_BYTES", 2**20)
    assert "larger than 1 MiB" in refusal(tmp_path, b"[" * (2**20 + 1))


def test_a_file_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    """A path without a file is an error that names it."""
    with pytest.raises(RunFileError, match=r"gone\.json cannot be read"):
        load_run(tmp_path / "gone.json")


@given(cut=st.integers(0, 10_000))
def test_a_file_cut_off_anywhere_is_refused(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """However many bytes of a saved run are there, it is not read unless all are."""
    whole = json.dumps(saved())
    refusal(tmp_path_factory.getbasetemp(), whole[: cut % len(whole)])


@given(data=st.data())
def test_a_changed_byte_never_crashes_the_loader(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever byte is changed, the file is read or refused with an error of its own kind."""
    content = bytearray(json.dumps(saved()).encode())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RunFileError):
        load_run(written(tmp_path_factory.getbasetemp(), bytes(content)))


@settings_of_hypothesis(max_examples=40)
@given(
    value=st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), st.lists, max_leaves=5)
)
def test_any_value_in_any_place_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    """Whatever JSON stands in place of any part of a run, the file is read or refused with an error of its own kind."""
    whole = saved()
    for container, key in _places(whole["evals"]):
        before = container[key]
        container[key] = value
        with contextlib.suppress(RunFileError):
            load_run(written(tmp_path_factory.getbasetemp(), whole))
        container[key] = before


def _places(value: Any) -> list[tuple[Any, Any]]:
    keys = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    return [place for key, inner in keys for place in ((value, key), *_places(inner))]


def saved_pair() -> dict[str, Any]:
    """A saved A/B session of two commits."""
    asked = replace(settings("a", "b"), ab="0" * 40)
    runs = {"evals": header(asked), "evals_base": replace(header(asked), run=f"{header().run}-base")}
    trials = (trial(True, task="a"), trial(False, True, task="b"))
    base, head = (Run(head, trials, STORE.known) for head in (runs["evals_base"], runs["evals"]))
    other: dict[str, Any] = json.loads(json.dumps({"evals_base": saved_part(base, {})}))
    return saved_file(head) | other


def test_both_runs_of_a_session_are_read(tmp_path: Path) -> None:
    """The head is what a saved run always was; the base is read by its name, or both together."""
    file = written(tmp_path, saved_pair())
    pair = load_pair(file)
    assert (load_run(file), load_run(file, part="base")) == (pair.head, pair.base)
    assert [run.header.run for run in (pair.head, pair.base)] == [header().run, f"{header().run}-base"]


def test_a_run_alone_has_no_base(tmp_path: Path) -> None:
    """A file of one run is no A/B session."""
    file = written(tmp_path, saved())
    for load in (load_pair, lambda file: load_run(file, part="base")):
        with pytest.raises(RunFileError, match="it is no A/B session"):
            load(file)


def signed(whole: dict[str, Any]) -> None:
    """Give the parts of a file the checksums of what they now hold."""
    for part in ("evals", "evals_base"):
        if whole.get(part):
            whole[part]["checksum"] = checksum(whole[part])


UNPAIRED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "other settings": (
        lambda base: base["settings"].update(seed=5),
        "evals_base.settings: the arms were asked for different things",
    ),
    "another session": (lambda base: base.update(run="20260101-000000-00000000-base"), "is not the other arm of"),
    "another commit": (lambda base: base["fingerprint"]["provenance"].update(commit="1" * 40), "it is of commit 1111"),
    "damaged": (
        lambda base: base["trials"].pop(),
        "FILE: evals_base.trials: (1, 'b', 'naive', 'warm') is neither there nor missing",
    ),
    "no run": (lambda base: base.clear(), "FILE: evals_base: it has format None"),
}


@pytest.mark.parametrize(("change", "reason"), UNPAIRED.values(), ids=UNPAIRED)
def test_runs_that_contradict_each_other_are_no_pair(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    """A base that is damaged, or not the other arm of the head's session, is refused with the reason."""
    whole = saved_pair()
    change(whole["evals_base"])
    signed(whole)
    file = written(tmp_path, whole)
    with pytest.raises(RunFileError) as raised:
        load_pair(file)
    assert reason in str(raised.value).replace(str(file), "FILE")


def test_two_runs_alone_are_no_session(tmp_path: Path) -> None:
    """Two parts that were never asked for as a session are refused, whatever their names."""
    whole = saved_pair()
    for part in ("evals", "evals_base"):
        whole[part]["settings"]["ab"] = None
    signed(whole)
    with pytest.raises(RunFileError, match="is not the other arm of"):
        load_pair(written(tmp_path, whole))


seconds = st.floats(0, 1e6)
text = st.text()
completions = st.builds(
    Completion,
    prompt_tokens=st.integers(0, 10**6),
    completion_tokens=st.integers(0, 10**6),
    cached_tokens=st.none() | st.integers(0, 10**6),
    ttft=st.none() | st.just(0.0),
    latency=seconds,
    finish_reason=text,
    text=text,
    server_prefill=st.none() | seconds,
)
outcomes = st.builds(
    Outcome,
    rung=st.sampled_from(RUNGS),
    language=text,
    cause=st.none() | st.sampled_from(CAUSES),
    failure=st.none() | text,
    declared=st.none() | text,
    json_in_fence=st.booleans(),
)
attempts = st.builds(AttemptRecord, completions, outcomes, st.sampled_from(REGIMES), st.just(HASHES))
facts = st.none() | st.lists(text, max_size=5).map(tuple)
faults = st.builds(
    Fault, text, text, seconds, st.just(HASHES), text, facts, st.none() | seconds, st.lists(attempts, max_size=1).map(tuple)
)


@given(
    attempts=st.lists(attempts, min_size=1, max_size=2).map(tuple),
    faults=st.lists(faults, max_size=2).map(tuple),
    facts=facts,
    retrieval=st.none() | seconds,
)
def test_every_trial_survives_saving(
    tmp_path_factory: pytest.TempPathFactory,
    attempts: tuple[AttemptRecord, ...],
    faults: tuple[Fault, ...],
    facts: tuple[str, ...] | None,
    retrieval: float | None,
) -> None:
    """Any trial comes back from a file exactly as it was, whatever its texts and numbers are."""
    one = Trial(1, "a", "naive", "warm", 7, "now", facts, retrieval, attempts, faults)
    run = load_run(written(tmp_path_factory.getbasetemp(), saved((one, trial(True, task="b")))))
    assert run.trials[0] == one

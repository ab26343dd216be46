"""The trials as the page's table reads them."""

from __future__ import annotations

import base64
import gzip
import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.prompts import Message
from evals.messages import MessageStore
from evals.report import trial_data
from evals.report.breaks import break_of
from evals.report.trial_data import LONGEST, outcome_words, packed, shortened
from evals.run import Run
from evals.schedule import Arm
from evals.selftest.factories import TIMEOUT, completion
from evals.selftest.report.hostile import TEXTS, hostile_run
from evals.selftest.report.sample import sample_run
from evals.selftest.run_pairs import FENCED, any_runs, run_of
from evals.trials import AttemptRecord, Fault, Trial

SAMPLE = sample_run(tasks=12, epochs=2, faults=2)


def unpacked(content: str) -> dict[str, Any]:
    """What the page's script reads."""
    read: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(content, validate=True)))
    return read


def keys(trials: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The key of every listed trial."""
    return [(trial["epoch"], trial["task"], trial["stack"], trial["regime"]) for trial in trials]


def tried(shown: dict[str, Any], run: Run) -> list[tuple[dict[str, Any], AttemptRecord]]:
    """Every listed attempt with the one that was measured."""
    pairs = zip(shown["trials"], run.trials, strict=True)
    return [pair for listed, trial in pairs for pair in zip(listed["attempts"], trial.attempts, strict=True)]


def with_answer(text: str) -> Run:
    """A run of one trial with this answer, which is no JSON."""
    record = AttemptRecord(completion(text), FENCED, "warm", ())
    return run_of(Trial(1, "a", "naive", "warm", 7, "2026-01-01T00:00:00.000+00:00", attempts=(record,)))


@settings(max_examples=50)
@given(any_runs(), any_runs())
def test_every_trial_of_every_run_is_listed_in_order(head: Run, base: Run) -> None:
    """Whatever the runs lack, their trials stand one after the other under the run that they are of."""
    runs: dict[Arm, Run] = {"head": head, "base": base}
    listed = unpacked(packed(runs))["trials"]
    assert [trial["side"] for trial in listed] == ["head"] * len(head.trials) + ["base"] * len(base.trials)
    assert keys(listed) == [trial.key for trial in (*head.trials, *base.trials)]


@settings(max_examples=50)
@given(any_runs())
def test_a_trial_says_how_it_ended(run: Run) -> None:
    """Outcome, cause, times and tokens are those of the trial, and nothing where a fault ended it."""
    for listed, trial in zip(unpacked(packed({"head": run}))["trials"], run.trials, strict=True):
        assert listed["outcome"] == outcome_words(trial)
        if trial.fault is None:
            assert listed["outcome"] == trial.attempts[-1].outcome.rung
            assert listed["cause"] == (trial.attempts[-1].outcome.cause or "")
            assert (listed["latency"], listed["tokens"]) == (trial.latency, trial.total_tokens)
            assert listed["ttft"] == trial.attempts[0].completion.ttft
        else:
            assert (listed["outcome"], listed["cause"]) == ("fault", TIMEOUT.kind)
            assert (listed["latency"], listed["ttft"], listed["tokens"]) == (None, None, None)


def test_every_text_stands_once() -> None:
    """The system message of a thousand trials, and any other text, is kept once and named by its place."""
    texts = unpacked(packed({"head": SAMPLE}))["texts"]
    assert len(texts) == len(set(texts))
    sent = {name for trial in SAMPLE.trials for attempt in trial.attempts for name in attempt.messages}
    assert {SAMPLE.messages[name].content for name in sent} <= set(texts)


def test_messages_are_those_that_were_sent() -> None:
    """Every attempt names the roles and texts of its own messages, in order."""
    shown = unpacked(packed({"head": SAMPLE}))
    for listed, attempt in tried(shown, SAMPLE):
        sent = [SAMPLE.messages[name] for name in attempt.messages]
        assert [(role, shown["texts"][place]) for role, place in listed["messages"]] == [
            (message.role, message.content) for message in sent
        ]


def test_the_parts_of_an_answer_are_its_raw_text() -> None:
    """Joined they are the answer, in three parts around the place where it broke, or in one."""
    shown = unpacked(packed({"head": SAMPLE}))
    seen = set()
    for listed, attempt in tried(shown, SAMPLE):
        parts = [shown["texts"][place] for place in listed["answer"]]
        broken = break_of(attempt.completion.text, attempt.outcome)
        assert "".join(parts) == attempt.completion.text
        assert len(parts) == (1 if broken is None else 3)
        assert broken is None or len(parts[0]) == broken.start
        assert broken is None or len(parts[1]) == broken.end - broken.start
        seen.add(len(parts))
    assert seen == {1, 3}


def test_facts_failures_and_faults_are_told() -> None:
    """Facts and the reason of a failure are texts of the page, and a fault tells its message and what it cost."""
    shown = unpacked(packed({"head": SAMPLE}))
    texts = shown["texts"]
    for listed, trial in zip(shown["trials"], SAMPLE.trials, strict=True):
        assert (listed["facts"] is None) == (trial.facts is None)
        assert tuple(texts[place] for place in listed["facts"] or ()) == (trial.facts or ())
        assert [(fault["kind"], texts[fault["message"]], fault["seconds"]) for fault in listed["faults"]] == [
            (fault.kind, fault.message, fault.seconds) for fault in trial.faults
        ]
    for listed, attempt in tried(shown, SAMPLE):
        reason = None if listed["failure"] is None else texts[listed["failure"]].partition("; a valid artifact could be")[0]
        assert reason == attempt.outcome.failure


def test_what_had_been_answered_before_a_fault_is_told() -> None:
    """The answer that a fault cut short, and the attempts before it, are listed with it."""
    store = MessageStore()
    names = store.add([Message("user", "Go on.")])
    before = AttemptRecord(completion("Sure!"), FENCED, "warm", names)
    fault = Fault("ModelTimeoutError", "silent", 0.5, names, "half an ans", attempts=(before,))
    run = run_of(Trial(1, "a", "naive", "warm", 7, "2026-01-01T00:00:00.000+00:00", faults=(fault,)))
    shown = unpacked(packed({"head": replace(run, messages=store.known)}))
    (listed,) = shown["trials"][0]["faults"]
    assert shown["texts"][listed["text"]] == "half an ans"
    assert [(role, shown["texts"][place]) for role, place in listed["messages"]] == [("user", "Go on.")]
    assert ["".join(shown["texts"][place] for place in one["answer"]) for one in listed["attempts"]] == ["Sure!"]


@given(st.text(max_size=60), st.integers(1, 40), st.booleans())
def test_a_shortened_text_says_how_much_it_leaves_out(text: str, longest: int, end: bool) -> None:
    """Just so many characters of its beginning or its end are there, and the rest is counted; a shorter text is whole."""
    cut = shortened(text, longest, end=end)
    if len(text) <= longest:
        assert cut == text
        return
    note = f"[... {len(text) - longest} characters are left out here; the saved run has them ...]"
    assert cut == (f"{note}\n{text[len(text) - longest :]}" if end else f"{text[:longest]}\n{note}")


def test_a_long_answer_is_shown_around_its_break() -> None:
    """What stands nearest to the place where it broke is kept on both sides, the place itself is, too, and the rest is counted."""
    half = LONGEST[0][0] // 2
    text = f"{'a' * (half + 1_500)}```{'!' * (half + 7)}"
    shown = unpacked(packed({"head": with_answer(text)}))
    before, broken, after = (shown["texts"][place] for place in shown["trials"][0]["attempts"][0]["answer"])
    assert before == f"[... 1,500 characters are left out here; the saved run has them ...]\n{'a' * half}"
    assert broken == "```"
    assert after == f"{'!' * half}\n[... 7 characters are left out here; the saved run has them ...]"


def incompressible(number: int, seed: int) -> str:
    """So many characters that no compression makes shorter than some three quarters."""
    return base64.b64encode(random.Random(seed).randbytes(number)).decode()[:number]


def with_long_answers(answers: int, length: int) -> Run:
    """A run with so many different answers that nothing can be made of but keeping or cutting them."""
    trials = [replace(with_answer(incompressible(length, seed)).trials[0], epoch=seed + 1) for seed in range(answers)]
    return run_of(*trials)


LENGTHS = tuple(dict.fromkeys(longest for longest, _ in LONGEST))


@pytest.mark.parametrize("place", range(1, len(LENGTHS)))
def test_texts_are_cut_until_the_trials_fit(monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    """The longest of the lengths is taken with which they are not too large, to the byte, and every text is cut to it."""
    run = with_long_answers(20, 20_000)
    monkeypatch.setattr(trial_data, "LONGEST", tuple((longest, longest) for longest in LENGTHS))
    sizes = [len(trial_data._packed({"head": run}, trial_data._Texts(longest, longest))) for longest in LENGTHS]
    assert sizes == sorted(set(sizes), reverse=True)
    monkeypatch.setattr(trial_data, "MOST_BYTES", sizes[place - 1])
    assert len(packed({"head": run})) == sizes[place - 1]
    monkeypatch.setattr(trial_data, "MOST_BYTES", sizes[place - 1] - 1)
    content = packed({"head": run})
    assert len(content) == sizes[place]
    kept = [text.partition("\n[...")[0].rpartition("...]\n")[2] for text in unpacked(content)["texts"]]
    assert max(map(len, kept)) <= LENGTHS[place]


def test_answers_stay_longer_than_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where messages take too much they go before the answers do."""
    answers, prompts = with_long_answers(20, 150), MessageStore()
    sent = [prompts.add([Message("user", incompressible(5_000, 100 + place))]) for place in range(20)]
    trials = [
        replace(trial, attempts=(replace(trial.first, messages=names),)) for trial, names in zip(answers.trials, sent, strict=True)
    ]
    monkeypatch.setattr(trial_data, "MOST_BYTES", 6_000)
    content = packed({"head": replace(answers, trials=tuple(trials), messages=dict(prompts.known))})
    texts = unpacked(content)["texts"]
    assert len(content) <= 6_000
    assert {incompressible(150, seed) for seed in range(20)} <= set(texts)
    assert sum("5,000 characters are left out here" in text for text in texts) == 1


def test_a_page_has_all_trials_even_where_they_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where even the shortest texts are too much no trial is dropped."""
    monkeypatch.setattr(trial_data, "MOST_BYTES", 10)
    run = with_long_answers(3, 1_000)
    shown = unpacked(packed({"head": run}))
    assert keys(shown["trials"]) == [trial.key for trial in run.trials]
    assert "1,000 characters are left out here" in shown["texts"][0]


def test_short_texts_are_never_cut() -> None:
    """A run that fits has every text whole."""
    assert "are left out here" not in "".join(unpacked(packed({"head": SAMPLE}))["texts"])


def test_the_same_run_makes_the_same_bytes() -> None:
    """Neither the time of day, for which gzip has a place, nor the order of a set is in it."""
    content = packed({"head": SAMPLE})
    assert content == packed({"head": sample_run(tasks=12, epochs=2, faults=2)})
    assert base64.b64decode(content)[4:8] == bytes(4)


def test_hostile_texts_are_data() -> None:
    """What is packed is of the letters of Base64 alone, and comes out as it went in."""
    content = packed({"head": hostile_run(tasks=10, epochs=1, long_answers=0)})
    assert not set(content) & set("<>&'\" \n")
    assert set(TEXTS) <= set(unpacked(content)["texts"])

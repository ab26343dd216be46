"""The trials that the page's table shows are those of the saved run, text by text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evals.selftest.report import recount
from evals.selftest.report.page_reader import Page
from evals.selftest.report.recount import Trial
from evals.selftest.report.troubled import ODD

Report = tuple[dict[str, Any], Page, str]
Shown = dict[str, Any]

COPIED = ("task", "stack", "regime", "epoch", "seed", "started")
COPIED_OF_CALLS = ("prompt_tokens", "completion_tokens", "cached_tokens", "ttft", "latency", "finish_reason")


def shown_trials(report: Report) -> list[tuple[Trial, Shown, list[str]]]:
    """Every saved trial with what the page shows in its place, and the page's texts."""
    data = report[1].trials()
    pairs = list(zip(report[0]["trials"], data["trials"], strict=True))
    assert len(pairs) > 50
    return [(saved, shown, data["texts"]) for saved, shown in pairs]


def shown_attempts(report: Report) -> list[tuple[dict[str, Any], Shown, list[str]]]:
    """Every saved attempt with what the page shows in its place, and the page's texts."""
    return [
        (attempt, seen, texts)
        for saved, shown, texts in shown_trials(report)
        for attempt, seen in zip(saved["attempts"], shown["attempts"], strict=True)
    ]


def test_keys(report: Report) -> None:
    """Every trial of the saved run is there once, in its order, with its task, stack, regime, epoch, seed and moment."""
    for saved, shown, _ in shown_trials(report):
        assert {name: shown[name] for name in COPIED} == {name: saved[name] for name in COPIED}
        assert shown["side"] == "head"


def test_outcomes(report: Report) -> None:
    """A trial's outcome and cause are those of its last answer, or of the fault that ended it."""
    for saved, shown, _ in shown_trials(report):
        if saved["attempts"]:
            last = saved["attempts"][-1]["outcome"]
            expected = (last["rung"], last["cause"] or "")
        else:
            expected = ("fault", saved["faults"][-1]["kind"])
        assert (shown["outcome"], shown["cause"]) == expected


@pytest.mark.parametrize(("name", "value"), [("tokens", recount.all_tokens), ("latency", recount.whole_latency)])
def test_sums(report: Report, name: str, value: Callable[[Trial], float]) -> None:
    """A trial's tokens and its latency are the sums over its attempts, and a trial without an answer has none."""
    for saved, shown, _ in shown_trials(report):
        assert shown[name] == (pytest.approx(value(saved), abs=1e-9) if saved["attempts"] else None)


def test_times(report: Report) -> None:
    """A trial's TTFT is that of its first attempt, and where it counts in no figure the page says so."""
    for saved, shown, _ in shown_trials(report):
        assert shown["ttft"] == (recount.first(saved)["ttft"] if saved["attempts"] else None)
        assert shown["timed"] == recount.is_timed(saved)
        assert shown["retrieval"] == saved["retrieval_seconds"]


def test_facts(report: Report) -> None:
    """The facts that memory gave are shown word for word, and none where it was not asked."""
    for saved, shown, texts in shown_trials(report):
        assert (shown["facts"] and [texts[place] for place in shown["facts"]]) == saved["facts"]


def test_messages(report: Report) -> None:
    """Every message of every attempt is shown exactly as it was sent."""
    for saved, shown, texts in shown_attempts(report):
        sent = [report[0]["messages"][name] for name in saved["messages"]]
        assert [(role, texts[place]) for role, place in shown["messages"]] == [(one["role"], one["content"]) for one in sent]


def test_answers(report: Report) -> None:
    """Every raw answer is shown as it came: what stands before its break, what broke and what follows are the whole answer."""
    for saved, shown, texts in shown_attempts(report):
        assert "".join(texts[place] for place in shown["answer"]) == saved["completion"]["text"]


def test_odd_texts(report: Report) -> None:
    """The sample has a message and an answer that end with what a page may lose, or the tests above would not see that."""
    assert any(one["content"].endswith(ODD) for one in report[0]["messages"].values())
    assert any(saved["completion"]["text"].endswith(ODD) for saved, _, _ in shown_attempts(report))


def test_breaks(report: Report) -> None:
    """An answer on the top rung is in one piece, as is one of nothing; another one is parted where it broke."""
    for saved, shown, _ in shown_attempts(report):
        broke = saved["outcome"]["cause"] is not None and saved["completion"]["text"] != ""
        assert len(shown["answer"]) == (3 if broke else 1)


def test_failures(report: Report) -> None:
    """Every attempt has its outcome, its cause and the sentence on why it was refused."""
    for saved, shown, texts in shown_attempts(report):
        outcome = saved["outcome"]
        fished = "; a valid artifact could be fished out of the code fence" if outcome["json_in_fence"] else ""
        told = f"{outcome['failure'] or ''}{fished}" or None
        assert (shown["outcome"], shown["cause"]) == (outcome["rung"], outcome["cause"] or "")
        assert (None if shown["failure"] is None else texts[shown["failure"]]) == told


def test_calls(report: Report) -> None:
    """Every attempt has the tokens, times and end of its call, and how it met the prefix cache."""
    for saved, shown, _ in shown_attempts(report):
        assert {name: shown[name] for name in COPIED_OF_CALLS} == {name: saved["completion"][name] for name in COPIED_OF_CALLS}
        assert shown["cache"] == saved["cache"]


def test_faults(report: Report) -> None:
    """Every fault has its kind, its message and its seconds."""
    for saved, shown, texts in shown_trials(report):
        told = [(one["kind"], texts[one["message"]], one["seconds"]) for one in shown["faults"]]
        assert told == [(one["kind"], one["message"], one["seconds"]) for one in saved["faults"]]


def test_texts(report: Report) -> None:
    """Every text stands once in the page."""
    texts = report[1].trials()["texts"]
    assert len(texts) == len(set(texts))

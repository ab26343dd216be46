"""The trials as the page's table reads them: one packed piece of JSON, in which every message stands once.

Texts are cut where a page would grow too large, around the place where an answer broke, and say how much is left out; the saved
run has all of them.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evals.ladder import Outcome
from evals.obeyed import findings
from evals.report.breaks import Break, break_of
from evals.run import Run
from evals.schedule import Arm
from evals.trials import AttemptRecord, Fault, Trial

LONGEST = ((20_000, 20_000), (4_000, 4_000), (800, 800), (160, 160), (160, 0), (32, 0), (0, 0))
"""How much is kept at most, in characters: of an answer or a reason (of an answer that broke, half of it on either side), and of
every other text. The first of these with which the trials do not take too much of the page holds for all of them.
"""

MOST_BYTES = 6 * 2**20
"""The most that the trials take of a page."""

_LONGEST_NAME = 200


def packed(runs: Mapping[Arm, Run]) -> str:
    """The trials of the runs, as JSON that is compressed by gzip and written in Base64."""
    levels = list(LONGEST)
    while True:
        texts = _Texts(*levels.pop(0))
        content = _packed(runs, texts)
        if len(content) <= MOST_BYTES or not levels:
            return content
        # What did not fit tells how well such texts can be compressed.
        room = texts.size(texts.longest, texts.others) * MOST_BYTES / len(content)
        while len(levels) > 1 and texts.size(*levels[0]) > room:
            levels.pop(0)


def outcome_words(trial: Trial) -> str:
    """How a trial ended: the rung that its last answer reached, or that a fault ended it."""
    return "fault" if trial.fault is not None else trial.last.outcome.rung


def _packed(runs: Mapping[Arm, Run], texts: _Texts) -> str:
    sides = {side: [_trial(run, trial, side, texts) for trial in run.trials] for side, run in runs.items()}
    content = {"trials": [trial for trials in sides.values() for trial in trials], "texts": texts.kept}
    encoded = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
    # Without the time of day the same run makes the same page.
    return base64.b64encode(gzip.compress(encoded, 6, mtime=0)).decode()


@dataclass(slots=True)
class _Texts:
    """Every distinct text once: answers and reasons cut to ``longest`` characters, the ``others`` to as many."""

    longest: int
    others: int
    kept: list[str] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)
    _lengths: list[tuple[int, bool]] = field(default_factory=list)

    def size(self, longest: int, others: int) -> int:
        """How many characters would be left of what is kept."""
        return sum(min(length, longest if is_answer else others) for length, is_answer in self._lengths)

    def place(self, text: str) -> int:
        """Where the text, which is no answer and no reason, stands in the list, as far as it is kept."""
        return self._kept(shortened(text, self.others), is_answer=False)

    def reason(self, text: str) -> int:
        """The same for why something went wrong, or for an answer that did not."""
        return self._kept(shortened(text, self.longest))

    def around(self, text: str, broken: Break | None) -> list[int]:
        """The answer in one piece, or in three: what stands before its break, what broke, and what follows."""
        if broken is None:
            return [self.reason(text)]
        before, marked, after = text[: broken.start], text[broken.start : broken.end], text[broken.end :]
        half = self.longest // 2
        return [
            self._kept(shortened(before, half, end=True)),
            self._kept(shortened(marked, half)),
            self._kept(shortened(after, half)),
        ]

    def _kept(self, cut: str, *, is_answer: bool = True) -> int:
        place = self._places.setdefault(cut, len(self.kept))
        if place == len(self.kept):
            self.kept.append(cut)
            self._lengths.append((len(cut), is_answer))
        return place


def shortened(text: str, longest: int, *, end: bool = False) -> str:
    """The beginning of a text, or its ``end``, with what is left out said in its place."""
    left_out = len(text) - longest
    if left_out <= 0:
        return text
    note = f"[... {left_out:,} characters are left out here; the saved run has them ...]"
    return f"{note}\n{text[left_out:]}" if end else f"{text[:longest]}\n{note}"


def _name(text: str) -> str:
    """A name, or as much of it as a table has room for."""
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"


def _trial(run: Run, trial: Trial, side: Arm, texts: _Texts) -> dict[str, Any]:
    answered = trial.fault is None
    return {
        "side": side,
        "stack": _name(trial.stack),
        "regime": trial.regime,
        "task": _name(trial.task),
        "epoch": trial.epoch,
        "seed": trial.seed,
        "started": trial.started,
        "outcome": outcome_words(trial),
        "cause": (trial.last.outcome.cause or "") if answered else trial.faults[-1].kind,
        "timed": trial.timed,
        "tokens": trial.total_tokens if answered else None,
        "latency": trial.latency if answered else None,
        "ttft": trial.first.completion.ttft if answered else None,
        "facts": _facts(trial.facts, texts),
        "retrieval": trial.retrieval_seconds,
        "attempts": [_attempt(run, attempt, texts) for attempt in trial.attempts],
        "faults": [_fault(run, fault, texts) for fault in trial.faults],
        "preferences": [
            f"{preference}: {finding}" for preference, finding in findings(trial).items() if finding.verdict != "not applicable"
        ],
    }


def _attempt(run: Run, attempt: AttemptRecord, texts: _Texts) -> dict[str, Any]:
    completion, outcome = attempt.completion, attempt.outcome
    return {
        "messages": _messages(run, attempt.messages, texts),
        "answer": texts.around(completion.text, break_of(completion.text, outcome)),
        "reasoning": texts.place(completion.reasoning) if completion.reasoning else None,
        "outcome": outcome.rung,
        "cause": outcome.cause or "",
        "failure": texts.reason(failure) if (failure := _failure(outcome)) else None,
        "cache": attempt.cache,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "cached_tokens": completion.cached_tokens,
        "ttft": completion.ttft,
        "latency": completion.latency,
        "finish_reason": completion.finish_reason,
    }


def _failure(outcome: Outcome) -> str:
    fished = "; a valid artifact could be fished out of the code fence" if outcome.json_in_fence else ""
    return f"{outcome.failure or ''}{fished}"


def _facts(facts: Sequence[str] | None, texts: _Texts) -> list[int] | None:
    return None if facts is None else [texts.place(fact) for fact in facts]


def _messages(run: Run, names: Iterable[str], texts: _Texts) -> list[list[Any]]:
    return [[run.messages[name].role, texts.place(run.messages[name].content)] for name in names]


def _fault(run: Run, fault: Fault, texts: _Texts) -> dict[str, Any]:
    return {
        "kind": fault.kind,
        "message": texts.reason(fault.message),
        "seconds": fault.seconds,
        "facts": _facts(fault.facts, texts),
        "retrieval": fault.retrieval_seconds,
        "messages": _messages(run, fault.messages, texts),
        "text": texts.reason(fault.text) if fault.text else None,
        "attempts": [_attempt(run, attempt, texts) for attempt in fault.attempts],
    }

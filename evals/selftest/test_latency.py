"""The split of a difference in latency."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model import Completion
from evals.latency import decode_parts, split_latency
from evals.selftest.factories import VALID, trial
from evals.trials import AttemptRecord, Trial


def answered(*completions: Completion, stack: str = "naive", epoch: int = 1) -> Trial:
    """A trial of these calls."""
    attempts = tuple(AttemptRecord(completion, VALID, "warm", ()) for completion in completions)
    return replace(trial(True, stack=stack, epoch=epoch), attempts=attempts)


def call(ttft: float | None, decode: float, tokens: int) -> Completion:
    """A call: seconds to the first text and after it, and its completion tokens."""
    return Completion(100, tokens, None, ttft, (ttft or 0.0) + decode, "stop", "x", first_token=ttft)


def test_each_part_is_found_alone() -> None:
    """When one thing changes, its part is the whole difference and every other part is zero."""
    base = answered(call(0.1, 1.0, 11))
    prefill = split_latency([base], [answered(call(0.3, 1.0, 11))])
    length = split_latency([base], [answered(call(0.1, 2.0, 21))])
    speed = split_latency([base], [answered(call(0.1, 2.0, 11))])
    retry = split_latency([base], [answered(call(0.1, 1.0, 11), call(0.2, 0.5, 5))])
    parts = [[s.prefill, s.output_length, s.decode_speed, s.retry] for s in (prefill, length, speed, retry) if s]
    assert parts == [pytest.approx(row) for row in ([0.2, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 0.7])]


def test_a_product_is_split_as_computed_by_hand() -> None:
    """20 tokens of 0.10 s against 40 of 0.05 s: length (40-20) x 0.075 = 1.5, speed (0.05-0.10) x 30 = -1.5."""
    assert decode_parts(call(0.1, 2.0, 21), call(0.1, 2.0, 41)) == pytest.approx((1.5, -1.5))


completions = st.builds(call, st.none() | st.floats(0.001, 100), st.floats(0, 100), st.integers(0, 5000))
trials = st.lists(completions, min_size=1, max_size=2).map(lambda calls: answered(*calls))


@given(first=trials, second=trials)
def test_the_parts_add_up(first: Trial, second: Trial) -> None:
    """The parts sum to the difference of the latencies, whatever these are, and swapping the stacks changes every sign."""
    there, back = split_latency([first], [second]), split_latency([second], [first])
    assert there is not None
    assert back is not None
    assert there.total == pytest.approx(second.latency - first.latency, abs=1e-6)
    for name in ("prefill", "output_length", "decode_speed", "retry"):
        assert getattr(there, name) == pytest.approx(-getattr(back, name), abs=1e-6)


def test_only_pairs_count() -> None:
    """A task and epoch that one stack lacks, or whose time belongs to no regime, is left out of the mean."""
    disturbed = answered(call(0.1, 9.0, 11), epoch=2)
    disturbed = replace(disturbed, attempts=(replace(disturbed.first, cache="cold"),))
    split = split_latency([answered(call(0.1, 1.0, 11)), disturbed], [answered(call(0.2, 1.0, 11), epoch=e) for e in (1, 2, 3)])
    assert split is not None
    assert split.pairs == 1
    assert split.total == pytest.approx(0.1)


def test_without_a_pair_there_is_no_split() -> None:
    """Two stacks that share no task and epoch have no difference."""
    assert split_latency([answered(call(0.1, 1.0, 11))], []) is None

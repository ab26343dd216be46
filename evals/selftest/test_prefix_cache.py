"""The prefix cache as a run shows it."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from agent.stacks import PREFIX_STACKS, STACKS
from evals.fingerprint import Fingerprint
from evals.grid import block_lines
from evals.prefix_cache import cache_use, contract_places, prefix_cache_blocks
from evals.run import Run
from evals.schedule import REGIMES, Regime
from evals.selftest.factories import completion, header, settings, trial

TASKS = tuple(f"t{number}" for number in range(6))
Cached = dict[tuple[str, Regime], int | None]


def run_with(cached: Cached, ttft: dict[tuple[str, Regime], float]) -> Run:
    """A run in both regimes whose prompts of 100 tokens were cached, and answered, as given for every stack and regime."""
    trials = []
    for (stack, regime), tokens in cached.items():
        sent = replace(completion(ttft=ttft[stack, regime]), cached_tokens=tokens)
        for task in TASKS:
            one = trial(True, task=task, stack=stack, regime=regime)
            trials.append(replace(one, attempts=(replace(one.first, completion=sent, cache=regime),)))
    stacks = tuple(dict.fromkeys(stack for stack, _ in cached))
    head = header(replace(settings(*TASKS, stacks=stacks, regimes=REGIMES), order="blocked"))
    marks = Fingerprint(head.fingerprint.identity | {"stacks": {name: asdict(STACKS[name]) for name in stacks}}, {}, {})
    return Run(replace(head, fingerprint=marks), tuple(trials), {})


CACHED: Cached = {
    ("naive", "warm"): 90, ("naive", "cold"): 1,
    ("optimized", "warm"): 40, ("optimized", "cold"): 1,
    ("optimized-with-static-contract", "warm"): 70, ("optimized-with-static-contract", "cold"): 1,
}  # fmt: skip
TTFT = {key: (0.1 if key[1] == "warm" else 0.4) for key in CACHED} | {("optimized-with-static-contract", "warm"): 0.05}


def test_shares_are_cached_tokens_of_prompt_tokens() -> None:
    """90 cached of 100 prompt tokens are 90 %, and a TTFT of 0.1 s warm against 0.4 s cold is a quarter."""
    naive = cache_use(run_with(CACHED, TTFT))[0]
    assert (naive.warm, naive.cold, naive.warm_ttft, naive.cold_ttft) == pytest.approx((0.9, 0.01, 0.1, 0.4))
    assert naive.ratio is not None
    assert naive.ratio.value == pytest.approx(0.25)


def test_not_reported_is_not_zero() -> None:
    """Where the server reports no cached tokens there is no share, and the table says so; TTFT is told all the same."""
    run = run_with(dict.fromkeys(CACHED), TTFT)
    assert {use.warm for use in cache_use(run)} == {None}
    lines = block_lines(prefix_cache_blocks(run), 120)
    assert "not reported, not reported" in lines[2]
    assert lines[0].count("cached tokens are not reported") == 1
    assert "0%" not in " ".join(lines)


def test_not_measured_is_not_unreported() -> None:
    """What a run that was cut short has not measured is told as that, and no word is said of what the server reports."""
    run = run_with(CACHED, TTFT)
    warm_alone = replace(run, trials=tuple(one for one in run.trials if one.regime == "warm" and "static" not in one.stack))
    lines = block_lines(prefix_cache_blocks(warm_alone), 120)
    assert "90%, not measured" in lines[1]
    assert "not measured, not measured" in lines[3]
    assert "reported" not in " ".join(lines)


def test_the_place_of_the_contract_is_compared() -> None:
    """The contract in the static prefix against last: 30 points more of the prompt cached, and half the TTFT."""
    (place,) = contract_places(run_with(CACHED, TTFT))
    assert (place.last, place.static) == ("optimized", "optimized-with-static-contract")
    assert place.share is not None
    assert place.share.value == pytest.approx(0.3)
    assert place.ttft is not None
    assert place.ttft.value == pytest.approx(0.5)


def test_zero_cached_tokens_are_a_share() -> None:
    """A server that reports 0 cached tokens reports a share of 0 %."""
    assert cache_use(run_with({("naive", "warm"): 0, ("naive", "cold"): 0}, TTFT))[0].warm == 0.0


def test_one_regime_has_no_table() -> None:
    """A run of one regime alone cannot tell warm from cold."""
    run = run_with(CACHED, TTFT)
    alone = replace(run, header=replace(run.header, settings=replace(run.settings, regimes=("warm",))))
    assert prefix_cache_blocks(alone) == []


def test_alternating_stacks_are_told() -> None:
    """Where stacks alternated, a note says that they put out each other's prefix."""
    run = run_with(CACHED, TTFT)
    alternating = replace(run, header=replace(run.header, settings=replace(run.settings, order="alternating")))
    assert any("--prefix-cache" in line for line in block_lines(prefix_cache_blocks(alternating), 120))
    assert not any("--prefix-cache" in line for line in block_lines(prefix_cache_blocks(run), 120))


def test_the_study_has_both_places_of_the_contract() -> None:
    """The study's stacks differ in the place of the contract alone, beside the naive one."""
    _, last, static = (STACKS[name] for name in PREFIX_STACKS)
    assert replace(last, name=static.name, contract="static") == static

"""The ablation: pairs of stacks that differ in one ingredient alone, what changed between them, and the sentence that says it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from statistics import fmean, stdev
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from agent.stacks import ABLATION_STACKS, DEFAULT_STACKS, STACKS, Stack
from evals.ablation import FACTORS, Effect, Factor, effects, ends, interaction, pairs_of
from evals.ablation_text import ablation_blocks, sentence
from evals.fingerprint import Fingerprint
from evals.grid import block_lines
from evals.ladder import Outcome
from evals.run import Run
from evals.selftest.factories import CUT_OFF, completion, header, settings, trial
from evals.trials import AttemptRecord, Trial

IGNORED = Outcome("answered", "py", "decoding ignored", "the server did not hold the answer to response_format (json)")
CONTRACT, *_ = FACTORS
names = [f"t{number}" for number in range(6)]


def run_with(outcomes: Mapping[str, Sequence[bool]], change: Callable[[Trial], Trial] = lambda one: one) -> Run:
    """A run of one epoch, in which every stack's answer to every task was valid or not."""
    tasks = names[: len(next(iter(outcomes.values())))]
    trials = [
        change(trial(valid, task=task, stack=stack))
        for stack, row in outcomes.items()
        for task, valid in zip(tasks, row, strict=True)
    ]
    asked = settings(*tasks, stacks=tuple(outcomes))
    head = header(asked)
    described = {name: asdict(STACKS[name]) for name in outcomes}
    marks = Fingerprint(head.fingerprint.identity | {"stacks": described}, {}, {})
    return Run(replace(head, fingerprint=marks), tuple(trials), {})


def effect_of(run: Run, name: str) -> Effect:
    """The effect of one factor."""
    (found,) = (effect for effect in effects(run, "warm") if effect.factor.name == name)
    return found


def with_tokens(prompt: Mapping[str, int], ttft: Mapping[str, float]) -> Callable[[Trial], Trial]:
    """Gives every stack's first attempts prompt tokens and a TTFT."""

    def change(one: Trial) -> Trial:
        sent = completion(prompt=prompt[one.stack], ttft=ttft[one.stack])
        return replace(one, attempts=(replace(one.first, completion=sent),))

    return change


def test_the_articles_two_stacks_show_no_factor() -> None:
    """Naive and optimized differ in three things at once, so their difference is no factor's."""
    assert effects(run_with({name: [True, False] for name in DEFAULT_STACKS}), "warm") == []


@pytest.mark.parametrize("factor", FACTORS, ids=lambda factor: factor.name)
def test_the_ablation_changes_every_factor_alone_from_two_ends(factor: Factor) -> None:
    """In the ablation's stacks every factor has at least two pairs, each of two stacks that are equal in everything else."""
    pairs = pairs_of(factor, {name: STACKS[name] for name in ABLATION_STACKS})
    assert len(pairs) >= 2
    for before, after in pairs:
        same = replace(STACKS[after], name=before, **{factor.field: factor.before})  # type: ignore[arg-type]
        assert same == STACKS[before]


@pytest.mark.parametrize("stack", DEFAULT_STACKS)
def test_the_ends_are_the_articles_stacks(stack: str) -> None:
    """Contract, retry, context and decoding are each changed alone from both of the article's stacks."""
    stacks = {name: STACKS[name] for name in ABLATION_STACKS}
    changed = {factor.field for factor in FACTORS for pair in pairs_of(factor, stacks) if stack in pair}
    assert changed == {"contract", "retries", "context", "decoding"}


def test_every_stack_of_the_ablation_is_in_a_pair() -> None:
    """No stack of the ablation is measured for nothing."""
    stacks = {name: STACKS[name] for name in ABLATION_STACKS}
    assert {name for factor in FACTORS for pair in pairs_of(factor, stacks) for name in pair} == set(stacks)


def test_an_effect_is_the_mean_over_tasks_with_a_t_interval() -> None:
    """The change of a share is the mean of the tasks' differences, with the paired-t interval of a textbook."""
    run = run_with({"naive": [True, False, False, False], "naive-with-contract": [True, True, True, False]})
    changes = [0, 1, 1, 0]
    reach = t.ppf(0.975, 3) * stdev(changes) / math.sqrt(4)
    valid = effect_of(run, "contract").valid
    assert (valid.value, valid.low, valid.high) == pytest.approx((0.5, max(-1, 0.5 - reach), min(1, 0.5 + reach)))


def test_the_ends_are_averaged_within_a_task() -> None:
    """Two ends that change different tasks by one answer each change these tasks by half an answer together."""
    outcomes = {
        "naive": [False, True], "naive-with-contract": [True, True],
        "optimized-without-contract": [True, False], "optimized": [True, True],
    }  # fmt: skip
    run = run_with(outcomes)
    whole = effect_of(run, "contract")
    assert whole.pairs == (("naive", "naive-with-contract"), ("optimized-without-contract", "optimized"))
    assert whole.valid.value == 0.5
    assert [end.valid.value for end in ends(run, "warm", whole)] == [0.5, 0.5]


def test_ratios_are_geometric_means() -> None:
    """Prompt tokens that grow by half and TTFT that doubles are ratios of 1.5 and 2."""
    change = with_tokens({"naive": 100, "naive-with-contract": 150}, {"naive": 0.1, "naive-with-contract": 0.2})
    run = run_with({"naive": [True] * 6, "naive-with-contract": [True] * 6}, change)
    effect = effect_of(run, "contract")
    assert effect.prompt_tokens == pytest.approx(1.5)
    assert effect.ttft is not None
    assert (effect.ttft.value, effect.ttft.low, effect.ttft.high) == pytest.approx((2.0, 2.0, 2.0))


def test_the_price_of_an_answer_has_the_jackknifes_interval() -> None:
    """The ratio of tokens per valid answer is that of the sums, and its interval is computed here once more from pseudo-values."""
    base, head = [True, False, True, True, False], [True, True, True, True, False]
    run = run_with({"naive": base, "naive-with-contract": head})
    found = effect_of(run, "contract").tokens_per_valid
    assert found is not None

    def log_ratio(kept: Sequence[int]) -> float:
        valid = [sum(row[index] for index in kept) for row in (base, head)]
        return math.log((len(kept) / valid[1]) / (len(kept) / valid[0]))

    whole = log_ratio(range(5))
    pseudo = [5 * whole - 4 * log_ratio([other for other in range(5) if other != index]) for index in range(5)]
    reach = t.ppf(0.975, 4) * stdev(pseudo) / math.sqrt(5)
    assert math.log(found.value) == pytest.approx(whole)
    assert math.log(found.high) == pytest.approx(whole + reach)
    assert math.log(found.low) == pytest.approx(whole - reach)


def test_without_a_valid_answer_there_is_no_price() -> None:
    """A stack that never answered validly has no tokens per valid answer, and the table shows a dash."""
    run = run_with({"naive": [False] * 3, "naive-with-contract": [True] * 3})
    assert effect_of(run, "contract").tokens_per_valid is None
    assert block_lines(ablation_blocks(run, "warm", 132), 132)[3].endswith(" -")


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=6))
def test_the_other_way_round_mirrors_the_change(rows: list[tuple[bool, bool]]) -> None:
    """Where the outcomes of both stacks are exchanged, the change and its interval change their signs."""
    first, second = [list(row) for row in zip(*rows, strict=True)]
    there = effect_of(run_with({"naive": first, "naive-with-contract": second}), "contract").valid
    back = effect_of(run_with({"naive": second, "naive-with-contract": first}), "contract").valid
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=6))
def test_the_sentence_follows_from_the_numbers(rows: list[tuple[bool, bool]]) -> None:
    """The sentence names the mean change in points, computed here from the outcomes themselves."""
    first, second = [list(row) for row in zip(*rows, strict=True)]
    found = effects(run_with({"naive": first, "naive-with-retry": second}), "warm")
    points = 100 * fmean(after - before for before, after in rows)
    assert sentence(found, "warm").startswith(f"schema-valid answers, warm: retry: {points:+.0f} [")


def test_a_decoding_that_is_ignored_is_not_the_models_failure() -> None:
    """One answer that breaks what the server was asked to hold it to, and the mode is reported as not honoured, with no figure."""

    def ignored(one: Trial) -> Trial:
        if one.stack == "naive" or one.task != "t0":
            return one
        return replace(one, attempts=(AttemptRecord(completion(), IGNORED, "warm", ()),))

    lines = block_lines(
        ablation_blocks(run_with({"naive": [True] * 3, "naive-with-json-mode": [True] * 3}, ignored), "warm", 132), 132
    )
    assert lines[0] == "schema-valid answers, warm: JSON mode: not honoured."
    assert "not honoured in 1 of 3" in lines[3]
    assert "the server does not honour it" in lines[-1]


def test_a_decoding_that_is_ignored_before_a_retry_is_told() -> None:
    """A server that ignores the decoding at the first try does not honour it, though the model's corrected answer is valid."""

    def corrected(one: Trial) -> Trial:
        first = AttemptRecord(completion(), IGNORED, "warm", ())
        return one if one.stack == "optimized" else replace(one, attempts=(first, one.first))

    lines = block_lines(
        ablation_blocks(run_with({"optimized": [True] * 3, "optimized-with-json-mode": [True] * 3}, corrected), "warm", 132), 132
    )
    assert lines[0] == "schema-valid answers, warm: JSON mode: not honoured."


def test_a_decoding_that_is_ignored_has_no_figure_from_any_end() -> None:
    """A server that ignored the decoding at one end ignores it at the other, too, where no answer happened to show it."""

    def ignored(one: Trial) -> Trial:
        seen = one.stack == "naive-with-json-mode"
        return replace(one, attempts=(AttemptRecord(completion(), IGNORED, "warm", ()),)) if seen else one

    stacks = ("naive", "naive-with-json-mode", "optimized", "optimized-with-json-mode")
    lines = block_lines(ablation_blocks(run_with({stack: [True] * 3 for stack in stacks}, ignored), "warm", 132), 132)
    assert not [line for line in lines if line.startswith("- from")]


def test_a_server_that_counts_no_prompt_tokens_has_no_ratio_of_them() -> None:
    """Prompts of 0 tokens, as a server or a saved file may say, have a dash and no crash."""
    stacks = ("naive", "naive-with-contract")
    run = run_with({stack: [True] * 2 for stack in stacks}, with_tokens(dict.fromkeys(stacks, 0), dict.fromkeys(stacks, 0.1)))
    assert effect_of(run, "contract").prompt_tokens is None
    assert " -  x1.00" in block_lines(ablation_blocks(run, "warm", 132), 132)[3].replace("   ", " ")


@pytest.mark.parametrize(
    ("epochs", "change", "said"),
    [
        (1, {}, "not balanced here, by 2 orders of 3 stacks"),
        (3, {}, "balanced here up to one order"),
        (3, {"ab_model": "m"}, "not balanced here, by the one order of stacks that an A/B session has"),
        (3, {"order": "blocked"}, "the stack's own here"),
    ],
)
def test_what_a_prompt_met_in_the_cache_is_told_by_the_order(epochs: int, change: dict[str, Any], said: str) -> None:
    """TTFT is said to be balanced only where the run had all orders of its stacks, which are 6 for 3; an A/B session has one."""
    run = run_with({stack: [True] * 2 for stack in ("naive", "naive-with-contract", "naive-with-retry")})
    asked = replace(run.settings, epochs=epochs, **change)
    lines = block_lines(ablation_blocks(replace(run, header=replace(run.header, settings=asked)), "warm", 132), 132)
    assert f"still had of the prompt before: {said}, absent in the cold regime." in "\n".join(lines)


def test_answers_that_were_cut_off_are_told_beside_the_change() -> None:
    """Where an ingredient's answers were cut off, a note says how many of them stand in its change as not valid."""

    def cut(one: Trial) -> Trial:
        seen = one.stack == "naive-with-contract" and one.task != "t0"
        return replace(one, attempts=(AttemptRecord(completion(), CUT_OFF, "warm", ()),)) if seen else one

    run = run_with({stack: [True] * 3 for stack in ("naive", "naive-with-contract", "naive-with-retry")}, cut)
    assert "count as not valid: contract 2." in "\n".join(block_lines(ablation_blocks(run, "warm", 132), 132))


def test_a_run_that_stopped_early_says_so_beside_its_intervals() -> None:
    """Intervals of a run that stopped when its verdict was settled are not what they would be, and a note says that."""
    run = run_with({stack: [True] * 2 for stack in ("naive", "naive-with-contract")})
    assert "do not allow for that" in block_lines(ablation_blocks(replace(run, stopped=1), "warm", 132), 132)[-1]


def test_ends_that_differ_are_told() -> None:
    """Where an ingredient does all at one end and nothing at the other, a note says that their mean hides it."""
    outcomes = {
        "naive": [False] * 6, "naive-with-contract": [True] * 5 + [False],
        "optimized-without-contract": [True] * 6, "optimized": [True] * 6,
    }  # fmt: skip
    run = run_with(outcomes)
    differ = interaction(run, "warm", effect_of(run, "contract"))
    assert differ is not None
    assert differ.high < 0
    assert "their mean hides that" in block_lines(ablation_blocks(run, "warm", 132), 132)[-1]


def test_ends_may_differ_by_more_than_a_whole_share() -> None:
    """Where an ingredient brings all at one end and loses nearly all at the other, the interval of that lies around its value."""
    outcomes = {
        "naive": [False] * 6, "naive-with-contract": [True] * 6,
        "optimized-without-contract": [True] * 6, "optimized": [False] * 5 + [True],
    }  # fmt: skip
    run = run_with(outcomes)
    differ = interaction(run, "warm", effect_of(run, "contract"))
    assert differ is not None
    assert differ.value == pytest.approx(-11 / 6)
    assert -2 <= differ.low < differ.value < differ.high


def test_a_stack_that_is_no_more_still_has_its_data() -> None:
    """What a stack was stands in the run's fingerprint, so a run is read as it was measured."""
    run = run_with({"naive": [True, False], "naive-with-contract": [True, True]})
    described = {"old": asdict(Stack("old", "none", "none", 0)), "older": asdict(Stack("older", "none", "last", 0))}
    identity = run.header.fingerprint.identity | {"stacks": described}
    asked = replace(run.settings, stacks=("old", "older"))
    trials = tuple(replace(one, stack="old" if one.stack == "naive" else "older") for one in run.trials)
    old = Run(replace(run.header, settings=asked, fingerprint=Fingerprint(identity, {}, {})), trials, {})
    assert effect_of(old, "contract").pairs == (("old", "older"),)


@pytest.mark.parametrize("width", [60, 80, 132, 200])
def test_no_line_of_the_table_is_wider_than_asked(width: int) -> None:
    """The table fits into the terminal: shares and costs stand below each other in a narrow one."""
    outcomes = {name: [True, False, True] for name in ABLATION_STACKS}
    _, *table = block_lines(ablation_blocks(run_with(outcomes), "warm", width), width)
    assert max(len(line) for line in table if not line.endswith(".")) <= width


def test_a_server_that_counts_no_tokens_has_no_ratio_of_them() -> None:
    """Where a server says that a prompt has 0 tokens there is no ratio of tokens, and the rest is told."""
    run = run_with(
        {"naive": [True, False], "naive-with-contract": [True, True]},
        with_tokens({"naive": 0, "naive-with-contract": 9}, dict.fromkeys(("naive", "naive-with-contract"), 0.1)),
    )
    assert effect_of(run, "contract").prompt_tokens is None
    assert block_lines(ablation_blocks(run, "warm", 132), 132)[0].startswith("schema-valid answers, warm: contract: +50 [")

"""What a growth run amounts to: points, slopes, break-even, and the text of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from agent.stacks import GROWTH_STACKS, GROWTH_TURNS, STACKS
from agent.targets import embedded
from evals.grid import block_lines
from evals.growth import Curve, Quantity, break_even, curves, is_beyond, place_of, points, slope, trained_length
from evals.growth_text import crossing_words, growth_blocks
from evals.lines import Crossing, Estimate, Sign
from evals.run import Run, ServedTarget
from evals.selftest.factories import completion, header, settings, trial
from evals.summary import summary_blocks
from evals.trials import Trial

TASKS = ("a", "b", "c", "d")
EPOCHS = 3
FEW = settings_of_hypothesis(max_examples=15)
LOOK_UP, PER_MEMORY = 0.02, 1e-5
NAIVE, OPTIMIZED = Curve("naive", "turns"), Curve("optimized", "turns")
MEMORIES = Curve("optimized", "memories")


def grown(*, factor: float = 1.0, later: float = 0.0, model: str = "m", stacks: tuple[str, ...] = GROWTH_STACKS) -> Run:
    """A run in which naive takes 10 tokens and 2 ms a turn more, and optimized always 200 tokens and 30 ms, and 20 ms to look up:
    they meet at 10 turns, or, with naive's 10 ms for the rest, at 20 turns. Tasks differ by a few percent, which cancel out. All
    times are ``factor`` times as long, and optimized takes ``later`` seconds more.
    """
    asked = replace(settings(*TASKS, stacks=stacks, epochs=EPOCHS, regimes=("warm", "cold")), study="growth")
    trials = [
        measured(trial(True, task=task, stack=stack, epoch=epoch, regime=regime), factor, later)
        for epoch in range(1, EPOCHS + 1)
        for regime in asked.regimes
        for stack in stacks
        for task in TASKS
    ]
    target = ServedTarget("embedded", model, "s", 4096, "Not a real model." if model == "tiny-coder" else "")
    return Run(replace(header(asked), target=target, seeding={10_000: 40.0}), tuple(trials), {})


def measured(planned: Trial, factor: float, later: float) -> Trial:
    """One trial of that run; the middle one of three epochs is the median."""
    place = place_of(planned.stack)
    assert place
    (curve, size), own, jitter = place, 0.001 * TASKS.index(planned.task) - 0.0015, 1 + 0.1 * (planned.epoch - 2)
    naive = curve.family == "naive"
    tokens = 100 + 10 * size if naive else 200
    seconds = (0.01 + own + 0.002 * size if naive else 0.03 + later) * jitter * factor
    look_up = None if naive else (LOOK_UP + PER_MEMORY * (size if curve == MEMORIES else 6)) * jitter * factor
    answered = replace(planned.first, cache=planned.regime, completion=completion(ttft=seconds, latency=seconds + 1, prompt=tokens))
    return replace(planned, attempts=(answered,), retrieval_seconds=look_up)


RUN = grown()


def estimate(run: Run, curve: Curve, quantity: Quantity) -> Estimate:
    """A slope in the cold regime, which is there."""
    found = slope(run, curve, "cold", quantity)
    assert found is not None
    return found


def where(run: Run, quantity: Quantity) -> Crossing:
    """The break-even in the cold regime, which is there."""
    found = break_even(run, "cold", quantity)
    assert found is not None
    return found


def value_of(run: Run) -> float:
    """Where the first token comes as soon."""
    value = where(run, "first token").value
    assert value is not None
    return value


def test_every_stack_of_the_study_is_a_point() -> None:
    """The names of the study's stacks say their curve and size, and these are what the stacks are told; others are on no curve."""
    for name in GROWTH_STACKS:
        place = place_of(name)
        assert place is not None
        curve, size = place
        assert curve.stack(size) == name
        assert size == (STACKS[name].turns if curve.axis == "turns" else STACKS[name].memories)
    assert place_of("naive") is place_of("optimized-with-history") is None


def test_points_are_medians_over_trials() -> None:
    """A point has the median tokens and times of its series, and the share of valid answers with its interval."""
    point = next(point for point in points(RUN, "turns", "cold") if (point.curve, point.size) == (OPTIMIZED, 6))
    assert [point.prompt_tokens, point.ttft] == pytest.approx([200, 0.03])
    assert point.look_up == pytest.approx(LOOK_UP + 6 * PER_MEMORY)
    assert point.first_token == pytest.approx(0.03 + LOOK_UP + 6 * PER_MEMORY)
    assert point.valid is not None
    assert (point.valid.value, point.valid.tasks, point.valid.high) == (1.0, 4, 1.0)
    assert point.valid.low < 0.5


def test_the_slopes_are_those_that_were_put_in() -> None:
    """Naive grows by 10 tokens and 2 ms a turn, optimized by nothing, and a look-up by 10 ms for 1,000 memories."""
    tokens = estimate(RUN, NAIVE, "prompt tokens")
    assert [tokens.value, tokens.low, tokens.high] == pytest.approx([10, 10, 10])
    assert estimate(RUN, NAIVE, "TTFT").value == pytest.approx(0.002)
    assert estimate(RUN, NAIVE, "TTFT").tasks == len(TASKS)
    assert estimate(RUN, OPTIMIZED, "TTFT").value == pytest.approx(0, abs=1e-12)
    assert estimate(RUN, MEMORIES, "look-up").value == pytest.approx(PER_MEMORY)


def test_the_break_even_is_the_one_that_was_put_in() -> None:
    """The prompts are as long at 10 turns, and the first token comes as soon, look-up included, at 20."""
    tokens, sooner = where(RUN, "prompt tokens"), where(RUN, "first token")
    assert [tokens.value, tokens.low, tokens.high] == pytest.approx([10, 10, 10])
    assert sooner.value == pytest.approx((0.03 + LOOK_UP + 6 * PER_MEMORY - 0.01) / 0.002)
    assert (sooner.low or 99) < value_of(RUN) < (sooner.high or 0)


@FEW
@given(st.floats(1e-3, 1e3))
def test_more_memories_break_even_later(factor: float) -> None:
    """The look-up of a larger memory moves the break-even: by 5 turns with 1,000 memories and by 50 with 10,000, in any unit."""
    run = grown(factor=factor)
    values = {size: break_even(run, "cold", "first token", memories=size) for size in (6, 1_000, 10_000)}
    assert [found and found.value for found in values.values()] == pytest.approx([20.03, 25, 70])
    assert break_even(run, "cold", "first token", memories=7) is None
    said = "cold: the same by the number of memories: with 6, from the break-even at 20.0 turns on ["
    assert said in "\n".join(block_lines(growth_blocks(run), 120))


@FEW
@given(st.floats(1e-3, 1e3))
def test_times_in_another_unit(factor: float) -> None:
    """When all times are k times as long, slopes are, too, and the break-even is where it was."""
    scaled = grown(factor=factor)
    assert estimate(scaled, NAIVE, "TTFT").value == pytest.approx(estimate(RUN, NAIVE, "TTFT").value * factor)
    assert value_of(scaled) == pytest.approx(value_of(RUN))


@FEW
@given(st.floats(-0.02, 0.05))
def test_what_optimized_takes_more_is_made_up_for_later(later: float) -> None:
    """Every 2 ms that optimized takes more move the break-even by one turn, and no slope changes."""
    moved = grown(later=later)
    assert where(moved, "first token").value == pytest.approx(value_of(RUN) + later / 0.002)
    assert estimate(moved, OPTIMIZED, "TTFT").value == pytest.approx(0, abs=1e-12)


def test_nothing_is_fitted_beyond_the_trained_length() -> None:
    """A point with a prompt beyond what the shipped model was trained on is marked, and is in no line; on other models none is."""
    run = grown(model="tiny-coder")
    assert trained_length(run.header.target) == 1024
    assert [point.size for point in points(run, "turns", "warm") if point.beyond] == [100]
    assert (where(run, "first token").smallest, where(run, "first token").largest) == (0, 50)
    assert trained_length(RUN.header.target) is None
    assert where(RUN, "first token").largest == 100
    assert not is_beyond(RUN, "naive-100-turns")


def test_the_trained_length_is_the_model_card_s() -> None:
    """The length beyond which points are marked is the one that the model's card states."""
    card = (embedded.MODEL_FILE.parent / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"**Trained length: {embedded.TRAINED_LENGTH:,} tokens**" in card


def test_a_marked_point_has_no_say() -> None:
    """Whatever is measured beyond the trained length, no slope and no break-even changes."""
    run = grown(model="tiny-coder")
    wild = tuple(
        replace(one, attempts=(replace(one.first, completion=completion(ttft=99.0, latency=100.0, prompt=5_000)),))
        if one.stack == "naive-100-turns"
        else one
        for one in run.trials
    )
    other = replace(run, trials=wild)
    assert estimate(other, NAIVE, "prompt tokens") == estimate(run, NAIVE, "prompt tokens")
    assert estimate(other, NAIVE, "TTFT") == estimate(run, NAIVE, "TTFT")
    assert where(other, "first token") == where(run, "first token")


def test_a_task_without_all_sizes_has_no_line() -> None:
    """A task that lacks a size is left out, since its line would be one through other sizes."""
    lost = tuple(one for one in RUN.trials if (one.task, one.stack) != ("a", "naive-6-turns"))
    assert estimate(replace(RUN, trials=lost), NAIVE, "TTFT").tasks == 3


def test_one_size_has_no_slope() -> None:
    """Where one size alone was measured there is neither a slope nor a break-even, and the text says neither."""
    run = grown(stacks=("naive-6-turns", "optimized-6-turns", "optimized-6-memories"))
    assert slope(run, NAIVE, "cold", "TTFT") is None
    assert break_even(run, "cold", "first token") is None
    text = "\n".join(block_lines(growth_blocks(run), 100))
    assert "a turn more" not in text
    assert "break-even at" not in text


def test_the_sentences_follow_from_the_numbers() -> None:
    """The text has the tables of both axes and regimes, the slopes, the break-even, and what memory costs."""
    text = "\n".join(block_lines(growth_blocks(RUN), 120))
    for regime in ("warm", "cold"):
        assert f"turns of history, {regime} prefix cache" in text
        assert f"stored memories, {regime} prefix cache" in text
        assert (
            f"{regime}, a turn more: naive by 10.0 [10.0, 10.0] tokens and 2.00 [2.00, 2.00] ms of TTFT;"
            " optimized by 0 [0, 0] tokens and 0 [0, 0] ms of TTFT."
        ) in text
        assert f"{regime}: optimized needs fewer prompt tokens: from the break-even at 10.0 turns on [10.0, 10.0]." in text
        assert f"{regime}: optimized gives its first token sooner, look-up included: from the break-even at 20.0 turns on [" in text
        assert (
            f"{regime}, every request: optimized looks up in 20.1 ms with 6 memories and in 120.0 ms with 10,000,"
            " 10.0 [10.0, 10.0] ms more for every 1,000; that is 40% and 80% of the time to its first token."
        ) in text
    assert "extraction by a model is off" in text
    assert "10,000 took 40.0 s (4.0 ms each)" in text
    assert "*" not in text


def test_the_curve_is_drawn() -> None:
    """Each point has a bar as long as its first token took; the longest of a table fills its width."""
    lines = block_lines(growth_blocks(grown(stacks=tuple(stack for stack in GROWTH_STACKS if stack.endswith("turns")))), 120)
    bars = {"".join(line.split()[:2]): line.count("#") for line in lines if "#" in line}
    assert bars["naive100"] == 16
    assert bars["naive50"] == round(16 * 0.11 / 0.21)
    assert bars["naive0"] == 1
    assert bars["optimized0"] == bars["optimized100"] == round(16 * 0.05 / 0.21)


def test_marks_are_explained() -> None:
    """A marked point has a star, and a note says what it means and that it is in no line."""
    lines = block_lines(growth_blocks(grown(model="tiny-coder")), 120)
    assert sum(line.split()[:2] == ["naive", "100*"] for line in lines) == 2
    note = "* beyond the 1,024 tokens of prompt that tiny-coder was trained on: shown, and in no slope and no break-even"
    assert sum(line.startswith(note) for line in lines) == 1


def test_the_end_of_a_curve_is_told() -> None:
    """Where stacks were left out, the text says where the curve ends, and why."""
    there = tuple(name for name in GROWTH_STACKS if name not in ("naive-50-turns", "naive-100-turns"))
    run = grown(stacks=there)
    run = replace(run, header=replace(run.header, left_out={"naive-50-turns": "it needs 9 tokens.", "naive-100-turns": "more."}))
    text = "\n".join(block_lines(growth_blocks(run), 120))
    assert "naive ends at 18 turns: naive-50-turns is left out, since it needs 9 tokens." in text
    assert curves(run)[NAIVE] == GROWTH_TURNS[:-2]


@pytest.mark.parametrize(
    ("signs", "ends", "said"),
    [
        ((-1, 1), (5.0, 9.0), "from the break-even at 7.0 turns on [5.0, 9.0]"),
        ((1, 1), (None, None), "always within what was measured (0 to 50 turns)"),
        ((-1, -1), (None, None), "never within what was measured (0 to 50 turns)"),
        ((0, 0), (None, None), "cannot be told within what was measured (0 to 50 turns)"),
        ((0, 1), (None, 9.0), "from 9.0 turns on at the latest (whether from fewer on cannot be told)"),
        ((-1, 0), (5.0, None), "not up to 5.0 turns (whether beyond them cannot be told)"),
        ((1, -1), (5.0, 9.0), "only up to 7.0 turns [5.0, 9.0]"),
        ((1, 0), (5.0, None), "up to 5.0 turns (whether beyond them cannot be told)"),
        ((0, -1), (None, 9.0), "not from 9.0 turns on (whether below them cannot be told)"),
    ],
)
def test_every_answer_has_its_words(signs: tuple[Sign, Sign], ends: tuple[float | None, float | None], said: str) -> None:
    """Whatever is shown at either end of what was measured is said, and never a number beyond it."""
    assert crossing_words(Crossing(7.0, *ends, *signs, smallest=0, largest=50, tasks=4), "turns") == said


def test_never_and_always_are_answers() -> None:
    """Where optimized is slower at every length, or quicker, that is said, without a break-even."""
    for later, said in ((10.0, "never"), (-0.049, "always")):
        text = "\n".join(block_lines(growth_blocks(grown(later=later)), 120))
        assert f"cold: optimized gives its first token sooner, look-up included: {said} within what was measured" in text


def test_a_growth_run_prints_its_growth_alone() -> None:
    """The summary of such a run has these tables in place of sixteen stacks side by side, and keeps the model's disclaimer."""
    lines = block_lines(summary_blocks(grown(model="tiny-coder"), {}, 120, resume_command="r"), 120)
    text = "\n".join(lines)
    assert "turns of history, cold prefix cache" in text
    assert "tokens per valid answer" not in text
    assert lines[-1] == "Not a real model."


@pytest.mark.parametrize("width", [80, 100, 200])
def test_tables_keep_within_the_width(width: int) -> None:
    """No line of a table is wider than asked for."""
    tables = [
        line for line in block_lines(growth_blocks(RUN), width) if line.startswith(("naive ", "optimized ", "turns of", "stored"))
    ]
    assert max(map(len, tables)) <= width


def test_nothing_measured_is_no_error() -> None:
    """A run without a trial has points without numbers."""
    lines = block_lines(growth_blocks(replace(RUN, trials=())), 100)
    assert ["naive", "100", "-", "-", "-", "-", "-"] in [line.split() for line in lines]

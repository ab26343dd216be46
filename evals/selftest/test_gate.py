"""The pure gate: one verdict on HEAD against BASE."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.fingerprint import Fingerprint
from evals.gate import Finding, Verdict, judge
from evals.likeness import Changed
from evals.limits import Floor, Limit, Limits
from evals.run import Run
from evals.selftest.factories import CUT_OFF, TIMEOUT, in_one_session, run_of, trial

VALIDITY = Limit("schema-valid", "fall", 5, "points", "A reason.")
TOKENS = Limit("prompt tokens", "rise", 10, "percent", "A reason.")
TTFT = Limit("ttft", "rise", 15, "percent", "A reason.")
ORDER = ("FAIL", "INCONCLUSIVE", "PASS")


def run(valid: int, tasks: int = 64, name: str = "head", epochs: int = 1, **options: Any) -> Run:
    """A run in which the first tasks are valid in every epoch, and the others in none."""
    return run_of({f"t{number}": [number < valid] * epochs for number in range(tasks)}, name, **options)


def only(verdict: Verdict) -> Finding:
    """The one finding of a verdict."""
    (finding,) = verdict.findings
    return finding


def with_times(one: Run, factor: float, name: str) -> Run:
    """The run with the times of its tasks, which differ, multiplied."""
    rng = random.Random(5)
    trials = [
        replace(trial, attempts=(_timed(trial.attempts[0], factor * rng.uniform(0.9, 1.1) * (1 + index)),))
        for index, trial in enumerate(one.trials)
    ]
    return replace(one, header=replace(one.header, run=name), trials=tuple(trials))


def _timed(attempt: Any, seconds: float) -> Any:
    return replace(attempt, completion=replace(attempt.completion, ttft=seconds / 2, first_token=seconds / 2, latency=seconds))


def with_identity(one: Run, **identity: Any) -> Run:
    """The run with other marks of identity."""
    marks = one.header.fingerprint
    return replace(one, header=replace(one.header, fingerprint=replace(marks, identity=marks.identity | identity)))


def test_nothing_lost_over_enough_tasks_passes() -> None:
    """With 64 tasks and none lost, a loss of 5 points is excluded."""
    verdict = judge(run(60, name="base"), run(60), Limits((), (VALIDITY,)))
    assert verdict.verdict == "PASS"
    assert verdict.exit_code == 0
    assert "a loss of more than 5 points is excluded (at most 4.6)" in only(verdict).sentence


def test_few_tasks_can_never_pass_and_are_told_so() -> None:
    """With 12 tasks and none lost nothing below 22 points is excluded; the verdict names what it takes."""
    verdict = judge(run(12, 12, "base"), run(12, 12), Limits((), (VALIDITY,)))
    assert verdict.verdict == "INCONCLUSIVE"
    assert verdict.exit_code == 3
    assert "12 tasks can exclude a loss of 22 points at best, so no run of them can PASS; it takes 59 tasks" in verdict.sentence


def test_a_large_loss_fails() -> None:
    """A third of the tasks lost fails, and the sentence says by how much."""
    verdict = judge(run(64, name="base"), run(42), Limits((), (VALIDITY,)))
    assert verdict.verdict == "FAIL"
    assert verdict.exit_code == 1
    assert verdict.sentence.startswith("schema-valid, naive-warm: 100%, then 66%: -34.4 points [")
    assert "a loss of more than 5 points is shown (p = " in verdict.sentence


def test_a_loss_about_the_margin_is_inconclusive_and_says_what_settles_it() -> None:
    """Two of 64 tasks lost neither fails nor passes, and so many tasks would settle it."""
    verdict = judge(run(64, name="base"), run(62), Limits((), (VALIDITY,)))
    assert verdict.verdict == "INCONCLUSIVE"
    settling = int(verdict.sentence.rpartition("nothing else changed, about ")[2].split()[0])
    tasks = 32 * math.ceil(settling / 32)
    assert judge(run(tasks, tasks, "base"), run(31 * tasks // 32, tasks), Limits((), (VALIDITY,))).verdict == "PASS"
    fewer = tasks // 2 // 32 * 32
    assert judge(run(fewer, fewer, "base"), run(31 * fewer // 32, fewer), Limits((), (VALIDITY,))).verdict == "INCONCLUSIVE"


def test_more_epochs_are_offered_where_sampling_is_the_noise() -> None:
    """Where epochs of a task disagree, the hint offers more epochs of the same tasks as well."""
    base = run_of({f"t{number}": [True, True, False] for number in range(70)}, "base")
    head = run_of({f"t{number}": [True, number % 2 == 0, number % 2 == 0] for number in range(70)})
    sentence = judge(base, head, Limits((), (VALIDITY,))).sentence
    assert "11 epochs of these 70" in sentence


verdicts = st.lists(st.lists(st.booleans(), min_size=2, max_size=2), min_size=8, max_size=30)


@given(verdicts, st.data())
def test_one_more_lost_task_never_improves_the_verdict(outcomes: list[list[bool]], data: st.DataObject) -> None:
    """When one more task of HEAD is invalid in all epochs, the verdict stays or gets worse."""
    margin = data.draw(st.sampled_from([5, 20, 30]))
    limits = Limits((), (replace(VALIDITY, margin=margin),))
    base = run_of({f"t{number}": [True, True] for number in range(len(outcomes))}, "base")
    worse = [*outcomes]
    worse[data.draw(st.integers(0, len(outcomes) - 1))] = [False, False]
    before, after = (
        judge(base, run_of({f"t{number}": valid for number, valid in enumerate(head)}), limits).verdict
        for head in (outcomes, worse)
    )
    assert ORDER.index(after) <= ORDER.index(before)


@given(verdicts, st.randoms(use_true_random=False))
def test_swapping_the_runs_mirrors_the_change(outcomes: list[list[bool]], rng: random.Random) -> None:
    """The change and its interval change their sign when BASE and HEAD are swapped."""
    first = run_of({f"t{number}": valid for number, valid in enumerate(outcomes)}, "first")
    second = run_of({f"t{number}": rng.sample(valid, 2) for number, valid in enumerate(outcomes[::-1])}, "second")
    there, back = (only(judge(*pair, Limits((), (VALIDITY,)))).change for pair in ((first, second), (second, first)))
    assert there is not None
    assert back is not None
    assert (back.value, back.low, back.high) == pytest.approx((-there.value, -there.high, -there.low))


def test_a_closer_level_guards_against_a_chosen_baseline() -> None:
    """Six tasks lost of 64 fail within one session, and not against a run of another one, which may be the best of three."""
    base, head = run(64, name="base"), run(58)
    assert judge(base, head, Limits((), (replace(VALIDITY, margin=0.1),))).verdict == "INCONCLUSIVE"
    assert judge(*in_one_session(base, head), Limits((), (replace(VALIDITY, margin=0.1),))).verdict == "FAIL"


def test_several_limits_are_corrected_by_holm() -> None:
    """A loss that fails alone may not fail beside three tests that show nothing."""
    base, head = run(64, name="base"), run(57)
    assert judge(base, head, Limits((), (replace(VALIDITY, margin=0.1),))).verdict == "FAIL"
    floor = Floor("naive", 0.1, "A reason.")
    family = Limits((floor,), (replace(VALIDITY, margin=0.1), replace(VALIDITY, metric="code parses", margin=50)))
    findings = judge(base, head, family).findings
    assert [finding.verdict for finding in findings] == ["INCONCLUSIVE", "PASS", "PASS"]
    assert findings[0].adjusted_p == pytest.approx(3 / 128)


def test_every_limit_must_pass() -> None:
    """One limit that is not settled keeps the verdict from being PASS."""
    limits = Limits((Floor("naive", 0.97, "A reason."),), (VALIDITY,))
    verdict = judge(run(62, name="base"), run(62), limits)
    assert [finding.verdict for finding in verdict.findings] == ["PASS", "INCONCLUSIVE"]
    assert verdict.verdict == "INCONCLUSIVE"


def test_a_head_far_below_a_floor_fails() -> None:
    """A floor is judged for HEAD alone, also where BASE was no better."""
    verdict = judge(run(10, name="base"), run(10), Limits((Floor("naive", 0.5, "A reason."),), ()))
    assert verdict.verdict == "FAIL"
    assert verdict.sentence.startswith("floor, naive-warm: 16% valid")


@pytest.mark.parametrize(("tokens", "verdict"), [(109, "PASS"), (110, "PASS"), (111, "FAIL")])
def test_tokens_are_compared_exactly(tokens: int, verdict: str) -> None:
    """10 % more are allowed to the last token, whatever the number of tasks."""
    head = run(3, 3)
    grown = [
        replace(one, attempts=(replace(first, completion=replace(first.completion, prompt_tokens=tokens)),))
        for one in head.trials
        for first in one.attempts
    ]
    found = judge(run(3, 3, "base"), replace(head, trials=tuple(grown)), Limits((), (TOKENS,)))
    assert found.verdict == verdict
    assert only(found).p is None


@pytest.mark.parametrize(("factor", "spread", "verdict"), [(1.0, 0.02, "PASS"), (1.5, 0.02, "FAIL"), (1.15, 0.2, "INCONCLUSIVE")])
def test_times_of_one_session_are_judged(factor: float, spread: float, verdict: str) -> None:
    """Within one session the interval of the ratio decides, against a margin of 15 %."""
    plain, rng = run(30, 30), random.Random(1)
    base, head = in_one_session(with_times(plain, 1.0, "base"), with_times(plain, factor, "head"))
    noise = [replace(one, attempts=(_timed(one.attempts[0], one.latency * math.exp(rng.gauss(0, spread))),)) for one in head.trials]
    assert judge(base, replace(head, trials=tuple(noise)), Limits((), (TTFT,))).verdict == verdict


def test_times_of_two_sessions_are_shown_and_not_judged() -> None:
    """A HEAD that is ten times slower in another session passes nothing and fails nothing by its times."""
    plain = run(30, 30)
    verdict = judge(with_times(plain, 1.0, "base"), with_times(plain, 10.0, "head"), Limits((), (VALIDITY, TTFT)))
    time = verdict.findings[1]
    assert time.verdict == "NOT JUDGED"
    assert "x10.000" in time.sentence
    assert "two sessions" in time.sentence
    assert verdict.verdict == "INCONCLUSIVE"


def test_nothing_to_judge_is_inconclusive() -> None:
    """Without a limit that can be judged there is no PASS."""
    plain = run(30, 30)
    for limits in (Limits(), Limits((), (TTFT,))):
        assert judge(with_times(plain, 1.0, "base"), plain, limits).verdict == "INCONCLUSIVE"


def test_answers_that_were_cut_off_keep_from_passing_and_from_failing() -> None:
    """Where half of HEAD's answers were cut off, nobody knows: neither FAIL nor PASS."""
    head = run(64)
    cut = [
        replace(one, attempts=tuple(replace(attempt, outcome=CUT_OFF) for attempt in one.attempts)) if index % 2 else one
        for index, one in enumerate(head.trials)
    ]
    verdict = judge(run(64, name="base"), replace(head, trials=tuple(cut)), Limits((), (VALIDITY,)))
    assert verdict.verdict == "INCONCLUSIVE"


def changed_task(one: Run) -> Run:
    """The run with another text of a task."""
    return with_identity(one, tasks={"t1": "other"})


def without_trials(one: Run) -> Run:
    """The run without its last trials."""
    missing = tuple(trial.key for trial in one.trials[-3:])
    return replace(one, trials=one.trials[:-3], missing=missing)


def with_fault(one: Run) -> Run:
    """The run with a trial that an infrastructure fault ended."""
    first = one.trials[0]
    return replace(one, trials=(trial(task=first.task, stack=first.stack, fault=TIMEOUT), *one.trials[1:]))


UNLIKE = {
    "a task more": (run(9, 11), "BASE lacks the task(s) t10 of HEAD"),
    "a task less": (run(9, 9), "HEAD lacks the task(s) t9 of BASE"),
    "another text of a task": (changed_task(run(9, 10)), "judge changed tasks with --ab"),
    "another stack": (run(9, 10, stack="optimized"), "HEAD lacks the stack(s) naive of BASE"),
    "fewer epochs": (run(9, 10, epochs=2), "BASE has 1 epoch(s) and HEAD 2"),
    "another model": (with_identity(run(9, 10), model={"name": "n"}), "--changed model"),
    "another context length": (with_identity(run(9, 10), model={"name": "m", "context_length": 2048}), "measure both on the same"),
    "incomplete": (without_trials(run(9, 10)), "an incomplete run, 3 of 10 planned trials were not run"),
    "a fault": (with_fault(run(9, 10)), "1 trial(s) met an infrastructure fault"),
    "the same run": (run(9, 10, "base"), "BASE and HEAD are the same run"),
}


@pytest.mark.parametrize("case", UNLIKE)
def test_runs_that_are_unlike_are_invalid(case: str) -> None:
    """What must not differ, or is not whole, makes the verdict INVALID and is named, with what to do."""
    head, reason = UNLIKE[case]
    verdict = judge(run(9, 10, "base"), head, Limits((), (VALIDITY,)))
    assert verdict.verdict == "INVALID"
    assert verdict.exit_code == 2
    assert any(reason in said for said in verdict.reasons)
    assert all("Next: " in said for said in verdict.reasons)


CHANGES: dict[Changed, dict[str, Any]] = {
    "prompt": {"prompts": {"rules": "other"}, "schema": "other", "stacks": {"naive": {"contract": True}}},
    "model": {"model": {"name": "other", "digest": "d"}},
    "memory": {"embedder": {"model": "other"}, "preferences": "other"},
}


@pytest.mark.parametrize("meant", CHANGES)
@pytest.mark.parametrize("said", CHANGES)
def test_only_what_is_meant_may_differ(meant: Changed, said: Changed) -> None:
    """A difference is allowed when --changed names its kind, and INVALID otherwise."""
    base = with_identity(run(60, name="base"), prompts={"rules": "one"}, schema="s", stacks={"naive": {"contract": False}})
    base = with_identity(base, embedder={"model": "e"}, preferences="p")
    head = replace(with_identity(base, **CHANGES[meant]), trials=run(60).trials)
    head = replace(head, header=replace(head.header, run="head"))
    verdict = judge(base, head, Limits((), (VALIDITY,)), (said,))
    assert verdict.verdict == ("PASS" if meant == said else "INVALID")


def test_hardware_and_commit_may_differ() -> None:
    """Timing and provenance never make runs unlike; they are shown."""
    head = run(60)
    other = Fingerprint(head.header.fingerprint.identity, {"cores": 64}, {"commit": "abc"})
    verdict = judge(run(60, name="base"), replace(head, header=replace(head.header, fingerprint=other)), Limits((), (VALIDITY,)))
    assert verdict.verdict == "PASS"
    assert verdict.between is not None
    assert verdict.between.timing == ("timing.cores: 2, then 64",)
    assert verdict.between.provenance == ('provenance.commit: null, then "abc"',)


def sequential(valid: Sequence[bool], measured: int) -> Run:
    """A sequential run of one epoch, stopped after so many tasks of its order, whose outcomes are given in that order."""
    plain = run(0, len(valid), sequential=True, seed=7)
    order = plain.measured_tasks
    whole = run_of({task: [valid[order.index(task)]] for task in plain.settings.tasks}, sequential=True, seed=7)
    trials = tuple(one for one in whole.trials if one.task in order[:measured])
    missing = tuple(one.key for one in whole.trials if one.task not in order[:measured])
    return replace(whole, trials=trials, missing=missing, stopped=measured if missing else None)


def test_a_stopped_run_is_judged_by_its_prefix() -> None:
    """Twelve tasks lost of the first twelve of 64 settle it: FAIL, though 52 tasks were never run."""
    verdict = judge(run(64, name="base", seed=7), sequential([False] * 64, 12), Limits((), (VALIDITY,)))
    assert verdict.verdict == "FAIL"


def test_a_stopped_run_needs_more_evidence_than_a_whole_one() -> None:
    """Seven tasks lost of 64 fail a run of fixed length; seen at the seventh task of a sequential one they do not."""
    base, limits = run(64, name="base", seed=7), Limits((), (replace(VALIDITY, margin=0.1),))
    assert judge(base, run(57, seed=7), limits).verdict == "FAIL"
    assert judge(base, sequential([False] * 7 + [True] * 57, 7), limits).verdict == "INCONCLUSIVE"


def test_a_stopped_run_passes_by_evidence_alone() -> None:
    """With a margin of 30 points, no loss in 12 of 64 tasks passes a whole run of 12, and a stopped one only somewhat later."""
    base, limits = run(64, name="base", seed=7), Limits((), (replace(VALIDITY, margin=30),))
    assert judge(base, sequential([True] * 64, 12), limits).verdict == "INCONCLUSIVE"
    assert judge(base, sequential([True] * 64, 40), limits).verdict == "PASS"


def test_a_sequential_run_that_reached_its_end_passes_by_the_bound() -> None:
    """At the end of all tasks a loss of 5 points is excluded as in a run of fixed length."""
    assert judge(run(64, name="base", seed=7), sequential([True] * 64, 64), Limits((), (VALIDITY,))).verdict == "PASS"


def test_two_stopped_runs_are_compared_by_their_common_prefix() -> None:
    """Of two runs that stopped after 30 and 20 tasks in the same order, the first 20 are compared."""
    base = sequential([True] * 64, 30)
    base = replace(base, header=replace(base.header, run="base"))
    verdict = judge(base, sequential([True] * 64, 20), Limits((), (VALIDITY,)))
    assert verdict.verdict == "INCONCLUSIVE"
    change = only(verdict).change
    assert change is not None
    assert change.tasks == 20


def test_times_of_a_stopped_run_are_not_judged() -> None:
    """Where it stopped depends on what was seen, so its times say nothing."""
    head = sequential([True] * 64, 40)
    verdict = judge(*in_one_session(run(64, name="base", seed=7), head), Limits((), (TTFT,)))
    assert only(verdict).verdict == "NOT JUDGED"
    assert "stopped early" in only(verdict).sentence


def test_tokens_of_a_stopped_run_settle_nothing() -> None:
    """One task with a longer prompt is no verdict on the mean of all, so a sequential run does not stop by it."""
    head = sequential([True] * 64, 1)
    grown = [replace(one, attempts=tuple(_longer(attempt) for attempt in one.attempts)) for one in head.trials]
    finding = only(judge(run(64, name="base", seed=7), replace(head, trials=tuple(grown)), Limits((), (TOKENS,))))
    assert finding.verdict == "INCONCLUSIVE"
    assert "the tasks that were not measured may cost more or less" in finding.sentence


def _longer(attempt: Any) -> Any:
    return replace(attempt, completion=replace(attempt.completion, prompt_tokens=200))


def test_a_time_on_one_side_alone_keeps_it_open() -> None:
    """Where a task has a time in one arm and none in the other, times neither pass nor fail."""
    base, head = in_one_session(with_times(run(30, 30), 1.0, "base"), with_times(run(30, 30), 1.0, "head"))
    first, *others = head.trials
    silent = replace(first, attempts=(replace(first.attempts[0], completion=replace(first.attempts[0].completion, ttft=None)),))
    finding = only(judge(base, replace(head, trials=(silent, *others)), Limits((), (TTFT,))))
    assert finding.verdict == "INCONCLUSIVE"
    assert "some tasks have a time on one side alone" in finding.sentence


def test_a_time_that_nobody_measured_is_not_judged_across_sessions() -> None:
    """Answers without content have no TTFT; across sessions that keeps no run from passing."""
    none = [
        replace(one, attempts=(replace(one.attempts[0], completion=replace(one.attempts[0].completion, ttft=None)),))
        for one in run(60).trials
    ]
    verdict = judge(run(60, name="base"), replace(run(60), trials=tuple(none)), Limits((), (VALIDITY, TTFT)))
    assert [finding.verdict for finding in verdict.findings] == ["PASS", "NOT JUDGED"]
    assert verdict.verdict == "PASS"


def test_a_ratio_at_the_margin_itself_is_no_rise() -> None:
    """Twelve tasks at exactly 1.15 times the time do not exceed a margin of 15 %, however the numbers are written in binary."""
    base, head = in_one_session(run(12, 12, "base"), run(12, 12, "head"))

    def timed(one: Run, seconds: float) -> Run:
        return replace(one, trials=tuple(replace(trial, attempts=(_timed(trial.attempts[0], seconds),)) for trial in one.trials))

    for before, now in ((0.24, 0.276), (0.2, 0.23), (2.0, 2.3)):
        assert judge(timed(base, before), timed(head, now), Limits((), (TTFT,))).verdict != "FAIL"

"""Whether the code obeys: what is counted of every preference, and how it is told."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from agent.prompts import Message, build_messages
from agent.stacks import STACKS
from evals.changes import Matched, measure_change
from evals.fingerprint import Fingerprint
from evals.funnel import funnels, obeyed_share, violations
from evals.funnel_text import funnel_blocks
from evals.grid import block_lines
from evals.ladder import Outcome
from evals.limits import Limit
from evals.messages import MessageStore
from evals.obeyed import findings, obeys, wanted
from evals.run import Run
from evals.schedule import Series
from evals.selftest.factories import completion, header, settings, trial
from evals.stats import Goal
from evals.trials import AttemptRecord, Trial
from fixtures.data import Preference, load_history, load_preferences, load_tasks

TASK = "fetch-user"
CHAIN = "export default function load() {\n  return fetch('/u').then((r) => r.json());\n}\n"
GOOD = "export async function load(): Promise<Response> {\n  return await fetch('/u');\n}\n"
VALID = Outcome("code parses", "ts", declared="ts")
OPTIMIZED = Series("optimized", "warm")
TEXTS = {preference.id: preference.text for preference in load_preferences()}


def answer(code: str, explanation: str = "One.") -> str:
    """A valid answer with this code."""
    return json.dumps({"code": code, "language": "ts", "file_path": "a.ts", "explanation": explanation})


def run_of(stack: str, *texts: str | None, facts: tuple[str, ...] | None = None) -> Run:
    """A run of one task, in which every epoch gave the text, or nothing valid (``None``)."""
    store, trials = MessageStore(), []
    sent = build_messages(STACKS[stack], "Write it", history=load_history(), facts=facts or ())
    for epoch, text in enumerate(texts, 1):
        outcome = VALID if text else Outcome("answered", "ts", "other", "no JSON")
        attempt = AttemptRecord(completion(text or "no"), outcome, "warm", store.add(sent))
        one = trial(True, task=TASK, stack=stack, epoch=epoch)
        trials.append(replace(one, facts=facts, attempts=(attempt,)))
    head = header(settings(TASK, stacks=(stack,), epochs=len(texts)))
    marks = Fingerprint(head.fingerprint.identity | {"stacks": {stack: asdict(STACKS[stack])}}, {}, {})
    return Run(replace(head, fingerprint=marks), tuple(trials), dict(store.take_new()))


def stages(run: Run, preference: str, series: Series = OPTIMIZED) -> tuple[int | None, ...]:
    """n, stored, retrieved, in the prompt, applicable and obeyed of one preference."""
    (found,) = (funnel for funnel in funnels(run, series) if funnel.preference == preference)
    return found.trials, found.stored, found.retrieved, found.in_prompt, found.applicable, found.obeyed


def test_a_stack_that_takes_all_facts_retrieves_none() -> None:
    """Where memory gives all it holds, nothing was retrieved at 5, and the funnel goes from the store to the prompt."""
    run = run_of("optimized-with-all-facts", answer(GOOD), facts=tuple(TEXTS.values()))
    assert stages(run, "async-await", Series("optimized-with-all-facts", "warm")) == (1, 1, None, 1, 1, 1)


def test_the_funnel_counts_every_stage() -> None:
    """Of three answers to a task that asks for async/await, one violates it, one obeys and one is not valid."""
    run = run_of("optimized", answer(CHAIN), answer(GOOD), None, facts=(TEXTS["async-await"],))
    assert stages(run, "async-await") == (3, 3, 3, 3, 2, 1)


def test_what_was_not_retrieved_is_lost_there() -> None:
    """A preference that memory holds and did not give is stored, and neither retrieved nor in the prompt; code may still obey."""
    run = run_of("optimized", answer(GOOD), facts=(TEXTS["tailwind"],))
    assert stages(run, "named-exports") == (1, 1, 0, 0, 1, 1)


def test_history_tells_preferences_in_its_own_words() -> None:
    """The naive prompt holds every preference, by the history's words; nothing is stored or retrieved for it."""
    run = run_of("naive", answer(GOOD))
    assert stages(run, "async-await", Series("naive", "warm")) == (1, None, None, 1, 1, 1)


def test_the_request_is_not_the_prompt_that_counts() -> None:
    """A request that happens to hold a preference's words does not put it into the prompt."""
    run = run_of("optimized", answer(GOOD), facts=())
    request = Message("user", TEXTS["async-await"])
    *before, _ = run.trials[0].first.messages
    messages = {**run.messages, "request": request}
    first = replace(run.trials[0].first, messages=(*before, "request"))
    asked = replace(run, trials=(replace(run.trials[0], attempts=(first,)),), messages=messages)
    assert stages(asked, "async-await")[3] == 0


def test_a_saved_attempt_without_messages_told_nothing() -> None:
    """An attempt that a saved file says was sent nothing has nothing in its prompt, and is no crash."""
    run = run_of("optimized", answer(GOOD), facts=())
    first = replace(run.trials[0].first, messages=())
    asked = replace(run, trials=(replace(run.trials[0], attempts=(first,)),))
    assert stages(asked, "async-await")[3] == 0


@pytest.mark.parametrize("preference", load_preferences(), ids=lambda preference: preference.id)
def test_the_history_has_the_words_that_tell_a_preference(preference: Preference) -> None:
    """Exactly one turn of the history holds the words that are noted as telling the preference."""
    assert sum(preference.told in turn.content for turn in load_history()) == 1
    assert preference.told


def test_only_labelled_preferences_count() -> None:
    """A task's answers are looked at for the preferences of its labels alone; an unknown task has none."""
    (labels,) = (task.preferences for task in load_tasks() if task.id == TASK)
    run = run_of("optimized", answer(CHAIN))
    assert tuple(findings(run.trials[0])) == labels == wanted(TASK)
    assert wanted("no-such-task") == ()


@pytest.mark.parametrize(
    ("code", "explanation", "valid", "expected"),
    [
        (GOOD, "One.", True, True),
        (GOOD, "One. Two. Three.", True, False),
        (CHAIN, "One.", True, False),
        (GOOD, "One.", False, False),
    ],
)
def test_an_answer_obeys_that_violates_nothing(code: str, explanation: str, valid: bool, expected: bool) -> None:
    """An answer obeys when it is valid code and violates none of its task's preferences."""
    run = run_of("optimized", answer(code, explanation) if valid else None)
    assert obeys(run.trials[0]) is expected


def test_code_that_does_not_parse_obeys_nothing() -> None:
    """A change that breaks the syntax of answers that violate a preference does not make them obey."""
    run = run_of("optimized", answer("export default function (((\n"))
    broken = Outcome("schema-valid", "ts", "syntax", "it does not parse", declared="ts")
    one = replace(run.trials[0], attempts=(replace(run.trials[0].first, outcome=broken),))
    assert "violated" not in {finding.verdict for finding in findings(one).values()}
    assert not obeys(one)


def test_a_violation_is_told_with_line_and_excerpt() -> None:
    """The summary shows one violation of each preference, as ``violated, line N: the line: why``, and how many more there are."""
    run = run_of("optimized", answer(CHAIN), answer(CHAIN), facts=tuple(TEXTS.values())[:5])
    text = "\n".join(block_lines(funnel_blocks(run, "warm"), 120))
    assert "async-await: violated, line 2: return fetch('/u').then((r) => r.json())" in text
    assert ": a .then() chain; use async/await (" in text
    assert "(optimized-warm, fetch-user, epoch 1) and 1 more" in text
    assert "preferences obeyed where valid code could: optimized-warm" in text
    assert len(violations(run, OPTIMIZED)) == 4


def test_hostile_answers_cannot_command_the_terminal() -> None:
    """Control characters and line breaks of an answer are shown and not sent."""
    run = run_of("optimized", answer("export default 1; // \x1b[2J\n"))
    assert not any(character in line for line in block_lines(funnel_blocks(run, "warm"), 120) for character in "\x1b\n")


def test_without_a_valid_answer_nothing_is_told() -> None:
    """A run whose answers are all invalid has no funnel."""
    assert funnel_blocks(run_of("optimized", None), "warm") == []
    assert obeyed_share(run_of("optimized", None), OPTIMIZED) is None


def test_the_share_is_a_mean_over_tasks() -> None:
    """Of an answer's applicable preferences the share that is obeyed, averaged within the task: 3 of 4 and 1 of 4 here."""
    good, bad = run_of("optimized", answer(GOOD)), run_of("optimized", answer(GOOD), answer(CHAIN))
    whole = obeyed_share(good, OPTIMIZED)
    assert whole is not None
    assert whole.value == 1.0
    assert (mixed := obeyed_share(bad, OPTIMIZED)) is not None
    verdicts = [finding.verdict for one in bad.trials for finding in findings(one).values()]
    assert mixed.value == pytest.approx(verdicts.count("obeyed") / (len(verdicts) - verdicts.count("not applicable")))
    assert mixed.tasks == 1


def test_a_limit_can_be_on_obeyed() -> None:
    """The gate measures the change of the share of answers that obey, like any other share."""
    base, head = run_of("optimized", answer(GOOD), answer(GOOD)), run_of("optimized", answer(GOOD), answer(CHAIN))
    limit = Limit("obeyed", "fall", 5, "points", "It should obey.")
    change = measure_change(Matched(base, head, (TASK,), sequential=False, stopped=False), limit, OPTIMIZED)
    assert change is not None
    assert (change.base, change.head, change.value) == (1.0, 0.5, -0.5)


def test_an_excused_answer_may_have_obeyed() -> None:
    """An answer that was cut off counts as one that might have obeyed, where the most that could be is asked for."""
    cut = Outcome("answered", "ts", "truncated", "cut off")
    one: Trial = trial(True, task=TASK, stack="optimized")
    one = replace(one, attempts=(AttemptRecord(completion("{"), cut, "warm", ()),))
    goal = Goal("code parses", obeys=True)
    assert goal.reached(one, excused=True)
    assert not goal.reached(one)

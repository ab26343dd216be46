"""The ladder: every rung, every cause, at the first try and after the retry."""

from __future__ import annotations

import itertools
import json
import random

import pytest

from agent.errors import CAUSES, Cause, Rung
from agent.loop import Attempt, result_of
from agent.model import Completion
from agent.stacks import Decoding
from evals.ladder import RUNGS, Outcome, climb
from evals.syntax import flaw
from fixtures.data import LANGUAGES
from fixtures.tiny_coder.corpus import documents

GOOD = {"code": "x = 1\n", "language": "py", "file_path": "src/x.py", "explanation": "One."}


def answer(**changes: object) -> str:
    """A valid answer with some values changed; ``None`` leaves the key out."""
    return json.dumps({name: value for name, value in (GOOD | changes).items() if value is not None})


VALID = answer()
ANSWERS: dict[str, tuple[str, Rung, Cause | None]] = {
    "valid": (VALID, "code parses", None),
    "valid with whitespace": (f"\n {VALID}\n", "code parses", None),
    "empty": ("", "nothing", "other"),
    "blank": (" \n", "nothing", "other"),
    "prose alone": ("I cannot do that.", "answered", "other"),
    "css alone": ("a { color: red }", "answered", "other"),
    "prose before": (f"Sure! {VALID}", "answered", "prose around JSON"),
    "prose after": (f"{VALID}\nEnjoy!", "answered", "prose around JSON"),
    "two objects": (VALID + VALID, "answered", "prose around JSON"),
    "fence": (f"```json\n{VALID}\n```", "answered", "code fence"),
    "prose and fence": ("Here:\n```python\nx = 1\n```\nDone.", "answered", "code fence"),
    "fence after": (f"{VALID}\n```", "answered", "code fence"),
    "inner quote": (VALID.replace("x = 1", 'x = "1"'), "answered", "bad escape or quote"),
    "inner quotes with a comma": (VALID.replace("x = 1", 'print("a", "b")'), "answered", "bad escape or quote"),
    "quote at the beginning": (VALID.replace("x = 1", '"a": 1'), "answered", "bad escape or quote"),
    "bad escape": (VALID.replace("x = 1", r"\d"), "answered", "bad escape or quote"),
    "bad unicode escape": (VALID.replace("x = 1", r"\u12"), "answered", "bad escape or quote"),
    "line break": (VALID.replace("x = 1\\n", "x = 1\n"), "answered", "bad escape or quote"),
    "back ticks": (VALID.replace('"x = 1\\n"', "`x = 1`"), "answered", "bad escape or quote"),
    "three quotes": (VALID.replace('"x = 1\\n"', '"""x = 1"""'), "answered", "bad escape or quote"),
    "escaped end": (VALID.replace('One."', 'One.\\"'), "answered", "bad escape or quote"),
    "half a character": (answer(explanation="\ud83d"), "strict JSON", "bad escape or quote"),
    "inner quote and brace": (VALID.replace("x = 1", 'x = {"} and more'), "answered", "bad escape or quote"),
    "brace too many": (VALID + "}", "answered", "other"),
    "last brace missing": (VALID[:-1], "answered", "other"),
    "stopped early": (VALID[:40], "answered", "other"),
    "single quotes": (str(GOOD), "answered", "other"),
    "missing comma": (VALID.replace('", "lang', '" "lang'), "answered", "other"),
    "missing colon": (VALID.replace('"language":', '"language"'), "answered", "other"),
    "key twice": (VALID.replace('"language"', '"code": "", "language"'), "answered", "other"),
    "not a number": (VALID.replace('"One."', "NaN"), "answered", "other"),
    "nested": ("[" * 100_000, "answered", "other"),
    "missing key": (answer(explanation=None), "strict JSON", "missing key"),
    "missing and extra": (answer(explanation=None, note="x"), "strict JSON", "missing key"),
    "extra key": (answer(note="x"), "strict JSON", "extra key"),
    "long language": (answer(language="python"), "strict JSON", "wrong enum"),
    "language of a wrong type": (answer(language=5), "strict JSON", "wrong enum"),
    "list of lines": (answer(code=["x = 1"]), "strict JSON", "wrong type"),
    "a list": ("[]", "strict JSON", "wrong type"),
    "a text": ('"x"', "strict JSON", "wrong type"),
    "absolute path": (answer(file_path="/etc/passwd"), "strict JSON", "unsafe path"),
    "parent path": (answer(file_path="../x.py"), "strict JSON", "unsafe path"),
    "long path": (answer(file_path="x" * 300), "strict JSON", "unsafe path"),
    "empty code": (answer(code=" \n"), "strict JSON", "empty code"),
    "syntax": (answer(code="def f("), "schema-valid", "syntax"),
    "another language": (answer(code="const x = 1;", language="js"), "schema-valid", "other"),
    "another language, broken": (answer(code="const x = ;", language="js"), "schema-valid", "syntax"),
}


def outcome(text: str, *, finish_reason: str = "stop", language: str = "py", decoding: Decoding = "free") -> Outcome:
    """Where an answer stands."""
    completion = Completion(10, 5, None, 0.1, 0.2, finish_reason, text)
    return climb(Attempt(completion, result_of(completion, decoding)), language)


@pytest.mark.parametrize(("text", "rung", "cause"), ANSWERS.values(), ids=ANSWERS)
def test_every_answer_has_its_rung_and_its_cause(text: str, rung: Rung, cause: Cause | None) -> None:
    """An answer reaches the rung that it deserves, for one cause of the closed list, and a sentence says why."""
    found = outcome(text)
    assert (found.rung, found.cause) == (rung, cause), found
    assert bool(found.failure) is (cause is not None)


def test_every_cause_is_produced_and_recognised() -> None:
    """The closed list has no cause that the answers above, a truncated one and one that no JSON mode gives do not produce."""
    excused = {outcome(VALID[:40], finish_reason="length").cause, outcome("Sure!", decoding="json").cause}
    assert {cause for _, _, cause in ANSWERS.values()} - {None} | excused == set(CAUSES)


@pytest.mark.parametrize("text", ["", VALID[:40], "Sure! Here", "```json\n{", VALID.replace("x = 1", 'x = "1"')[:30]])
def test_a_truncated_answer_is_never_blamed_on_the_prompt(text: str) -> None:
    """An answer that was cut off at its limit of tokens is truncated, whatever else is wrong with what came of it."""
    assert outcome(text, finish_reason="length").cause == "truncated"


@pytest.mark.parametrize("name", ["valid", "missing key", "list of lines", "syntax"])
def test_a_whole_object_is_not_truncated(name: str) -> None:
    """Strict JSON is whole, so its limit of tokens is no excuse for what is in it."""
    text, rung, cause = ANSWERS[name]
    assert (outcome(text, finish_reason="length").rung, outcome(text, finish_reason="length").cause) == (rung, cause)


def test_a_mismatch_is_recorded() -> None:
    """Tsx for a ts task is a mismatch even where it parses, and one that is broken is a mismatch, too."""
    good = outcome(answer(code="export const a = <p>hi</p>;", language="tsx"), language="ts")
    broken = outcome(answer(code="export const a = <p>;", language="tsx"), language="ts")
    assert (good.mismatch, good.failure) == (True, "the task asks for ts, and the answer declares tsx")
    assert (broken.mismatch, broken.cause) == (True, "syntax")
    assert outcome(VALID).mismatch is False
    assert outcome("Sure!").mismatch is False


def test_each_rung_needs_the_one_before() -> None:
    """An answer on a rung has reached every lower one and no higher one."""
    for place, rung in enumerate(RUNGS):
        reached = [Outcome(rung, "py").reached(other) for other in RUNGS]
        assert reached == [other <= place for other in range(len(RUNGS))]


CAUSES_OF_FAULTS = {
    "fenced JSON": "code fence",
    "no JSON": "code fence",
    "prose around JSON": "prose around JSON",
    "bad escape": "bad escape or quote",
    "missing key": "missing key",
    "extra key": "extra key",
    "wrong language": "wrong enum",
    "wrong type": "wrong type",
    "unsafe path": "unsafe path",
    "empty code": "empty code",
    "syntax error": "syntax",
}


def test_causes_agree_with_an_independent_ground_truth() -> None:
    """The tiny model's corpus puts faults into answers on purpose; every one of 600 answers gets the cause of the fault it has."""
    for document in itertools.islice(documents(random.Random(3).randrange(10**6)), 600):
        expected = CAUSES_OF_FAULTS[document.fault] if document.fault else None
        found = outcome(document.answer, language=document.request.topic.language)
        assert found.cause == expected, (document.fault, document.answer)


def test_the_code_of_the_corpus_parses() -> None:
    """Code that the corpus has left whole parses by the grammars, which know nothing of the corpus, in every language."""
    found = [json.loads(document.answer) for document in itertools.islice(documents(5), 300) if not document.fault]
    assert {one["language"] for one in found} == set(LANGUAGES)
    assert [flaw(one["code"], one["language"]) for one in found] == [None] * len(found)

"""Where an answer broke: the place that is marked for every cause, and what holds for any text with any outcome."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from agent.artifact import Artifact
from agent.errors import CAUSES, Cause
from agent.stacks import Decoding
from evals.ladder import RUNGS, Outcome
from evals.report.breaks import Break, break_of
from evals.selftest.test_artifact import any_text, artifacts, near_misses
from evals.selftest.test_ladder import ANSWERS, VALID, answer, outcome
from fixtures.data import LANGUAGES

WITHOUT_A_PLACE = ("empty", "blank", "nested", "valid", "valid with whitespace")


def code(raw: str) -> str:
    """A valid answer but for the raw text between the quotes of its code."""
    return VALID.replace("x = 1\\n", raw)


# The marked place stands between ⟦ and ⟧.
MARKED: dict[str, tuple[Cause, str]] = {
    "prose alone": ("other", "⟦I⟧ cannot do that."),
    "an array that breaks": ("other", "[1, ⟦None⟧]"),
    "byte order mark": ("prose around JSON", f"⟦\ufeff⟧{VALID}"),
    "prose before": ("prose around JSON", f" \n⟦Sure!\nHere it is:⟧\n{VALID}"),
    "prose before and after": ("prose around JSON", f"⟦Sure!⟧ {VALID} Enjoy!"),
    "prose with braces before": ("prose around JSON", f"⟦Sure, {{as asked}}:⟧ {VALID}"),
    "prose after": ("prose around JSON", f"{VALID}\n⟦Enjoy the file!⟧\n"),
    "white space before and prose after": ("prose around JSON", f"\n {VALID}⟦Enjoy!⟧"),
    "two objects": ("prose around JSON", f"{VALID}\n⟦{VALID}⟧"),
    "fence": ("code fence", f"⟦```json⟧\n{VALID}\n```"),
    "fence without a language": ("code fence", f"⟦```⟧\n{VALID}\n```"),
    "fence with more than a language": ("code fence", f"⟦```json⟧ title=x\n{VALID}\n```"),
    "fence on the line of the object": ("code fence", f"⟦```⟧{VALID}```"),
    "four back ticks": ("code fence", f"⟦````c++⟧\n{VALID}\n````"),
    "prose and fences": ("code fence", "Here:\n⟦```python⟧\nx = 1\n```\nand\n```sh\nls\n```"),
    "fence after": ("code fence", f"{VALID}\n⟦```⟧"),
    "prose and fence after": ("code fence", f"{VALID}\nOr this:\n⟦```py⟧\nx = 1\n```"),
    "fence after one in the code": ("code fence", f"{code('# ```sh')}\n⟦```⟧"),
    "inner quote": ("bad escape or quote", code('x = "⟦1⟧"')),
    "inner quotes with a comma": ("bad escape or quote", code('print("⟦a⟧", "b")')),
    "quote at the beginning": ("bad escape or quote", code('"⟦a⟧": 1')),
    "inner quote and brace": ("bad escape or quote", code('x = {"} ⟦and⟧ more')),
    "bad escape": ("bad escape or quote", code(r"a\n⟦\d⟧+")),
    "bad escape of a line break": ("bad escape or quote", code("a⟦\\\n⟧b")),
    "short escape": ("bad escape or quote", code(r"⟦\u12⟧")),
    "escape with another letter": ("bad escape or quote", code(r"⟦\u00⟧g0")),
    "short second half": ("bad escape or quote", code(r"\ud83d⟦\ude⟧")),
    "line break": ("bad escape or quote", code("x = 1⟦\n⟧")),
    "NUL": ("bad escape or quote", code("x⟦\0⟧")),
    "back ticks": ("bad escape or quote", VALID.replace('"x = 1\\n"', "⟦`⟧x = 1`")),
    "single quotes": ("other", "{⟦'⟧code': 'x = 1'}"),
    "escaped end": ("bad escape or quote", VALID.replace('"One."', '⟦"⟧One.\\"')),
    "half a character": ("bad escape or quote", answer(explanation="\\ud83d \U0001f600 ?").replace("?", r"⟦\ud83d⟧")),
    "the other half of a character": ("bad escape or quote", code(r"\ud83d\ude00⟦\uDE00⟧")),
    "half a character as it is": ("bad escape or quote", code("x⟦\udc00⟧")),
    "half a character in the last value": ("bad escape or quote", VALID.replace("One.", r"⟦\uD83d⟧\n")),
    "brace too many": ("other", f"{VALID}⟦}}⟧"),
    "last brace missing": ("other", f"{VALID[:-1]}⟦⟧"),
    "stopped in a string": ("other", '{"code": ⟦"⟧x = 1'),
    "missing comma": ("other", VALID.replace('", "lang', '" ⟦"⟧lang')),
    "missing colon": ("other", VALID.replace('"language":', '"language"').replace(' "py"', ' ⟦"⟧py"')),
    "comma too many": ("other", VALID.replace("}", ", ⟦}⟧")),
    "comment": ("other", VALID.replace("{", "{⟦/⟧/ a file\n")),
    "key twice": ("other", VALID.replace('"language"', '⟦"code"⟧: "", "language"')),
    "key twice, once escaped": ("other", VALID.replace('"language"', '⟦"\\u0063ode"⟧: "", "language"')),
    "key twice inside": ("other", VALID.replace('"One."', '{"a": 1, ⟦"a"⟧: 2}')),
    "not a number": ("other", VALID.replace('"One."', "⟦NaN⟧")),
    "minus infinity": ("other", VALID.replace('"One."', "[1, ⟦-Infinity⟧]")),
    "too large a number": ("other", VALID.replace('"One."', f"⟦{'9' * 5_000}⟧")),
    "infinite number": ("other", VALID.replace('"One."', "⟦-1.5e+999⟧")),
    "undefined": ("other", VALID.replace('"One."', "⟦undefined⟧")),
    "missing key": ("missing key", answer(explanation=None).replace("}", "⟦}⟧") + "\n"),
    "no key": ("missing key", "{⟦}⟧"),
    "missing key and an object inside": ("missing key", '{"code": {"a": {}}⟦}⟧'),
    "extra key": ("extra key", VALID.replace('"file_path"', '⟦"note"⟧: {"code": 1}, "b": 2, "file_path"')),
    "extra key with escapes": ("extra key", VALID.replace("{", '{⟦"\\"\\u00e9\\\\"⟧ :\n[[]],')),
    "wrong enum": ("wrong enum", answer(language="python").replace('"python"', '⟦"python"⟧')),
    "wrong enum between white space": ("wrong enum", VALID.replace(' "py"', '\n\t⟦"python"⟧ \r\n')),
    "language of a wrong type": ("wrong enum", VALID.replace('"py"', '⟦["py"]⟧')),
    "list of lines": ("wrong type", VALID.replace('"x = 1\\n"', '⟦["x = 1", "]"]⟧')),
    "list of lines behind white space": ("wrong type", "\n" + VALID.replace('"x = 1\\n"', "⟦[]⟧")),
    "number": ("wrong type", VALID.replace('"One."', "⟦-1.5e3⟧")),
    "whole number": ("wrong type", VALID.replace('"One."', "⟦1⟧")),
    "null": ("wrong type", VALID.replace('"src/x.py"', "⟦null⟧")),
    "a list": ("wrong type", f" ⟦[{VALID}]⟧\n"),
    "a text": ("wrong type", '⟦"x"⟧'),
    "absolute path": ("unsafe path", VALID.replace('"src/x.py"', '⟦"/etc/passwd"⟧')),
    "parent path": ("unsafe path", VALID.replace('"src/x.py"', '⟦"a\\u002f../x.py"⟧')),
    "empty code": ("empty code", VALID.replace('"x = 1\\n"', '⟦""⟧')),
    "blank code": ("empty code", VALID.replace('"x = 1\\n"', '⟦" \\n"⟧')),
    "syntax": ("syntax", code("⟦def f(⟧")),
    "syntax on the second line": ("syntax", code(r"x = 1\n⟦y = \"\u00e9\ud83d\ude00\\\" +⟧\nz = 1\n")),
    "syntax between escaped line ends": ("syntax", code(r"x = 1\u000d\u000A⟦y = ;⟧\r\nz = 1")),
    "syntax after a line that Python alone ends": ("syntax", code(r"x = 1\r⟦y =⟧\rz = 1")),
    "syntax with the key escaped": ("syntax", VALID.replace('"code": "x = 1', '"c\\u006fde": "⟦x =⟧')),
    "no construct": ("syntax", VALID.replace('"x = 1\\n"', "⟦\"'hello'\"⟧")),
    "NUL in the code": ("syntax", VALID.replace('"x = 1\\n"', '⟦"x = \\u0000"⟧')),
    "another language": ("other", answer(code="const x = 1;", language="js").replace('"js"', '⟦"js"⟧')),
    "another language, broken": ("syntax", answer(code="?", language="js").replace("?", r"let a;\r\n⟦const x = ;⟧\r\n")),
}
LONG = {
    "backslashes": "\\" * 250_000,
    "back ticks": "`" * 250_000,
    "fences": "```a\n" * 50_000,
    "fences around objects": "{" + "```\n{}\n```\n" * 25_000,
    "braces": "{" * 250_000,
    "braces and spaces": "Sure " + "{ " * 125_000,
    "brackets": "[" * 250_000,
    "deep": VALID.replace('"One."', "[" * 100_000 + "]" * 100_000),
    "white space": " " * 250_000,
    "white space behind a brace": "{" + " " * 250_000,
    "white space everywhere": VALID.replace(" ", " " * 50_000) + " " * 50_000,
    "quotes": '"' * 250_000,
    "members": "{" + '"a" : 1 , ' * 25_000 + '"b": 2}',
    "digits": '{"code": ' + "9" * 250_000 + "}",
    "letters": "x" * 250_000,
    "escaped line ends": code(r"\n" * 125_000),
    "carriage returns": code(r"\r" * 125_000),
    "escaped characters": code(r"\ud83d\ude00" * 20_000),
    "halves": code(r"\ud83d" * 40_000),
}


def marked(text: str) -> tuple[str, Break]:
    """A text without its marks, and the break that they mark."""
    start, end = text.index("⟦"), text.index("⟧") - 1
    return re.sub("[⟦⟧]", "", text), Break(start, end)


def line_of(code: str, number: int, language: str) -> str:
    """A line of code as its parser counts lines."""
    unix = code.replace("\r\n", "\n")
    return (unix.replace("\r", "\n") if language == "py" else unix).split("\n")[number - 1]


@st.composite
def literals(draw: st.DrawFn, text: str) -> str:
    """A text as a string literal, in which any character may be escaped."""
    ways = draw(st.lists(st.sampled_from(["short", "raw", "four digits"]), min_size=len(text), max_size=len(text)))
    return '"' + "".join(map(_character, text, ways)) + '"'


def _character(character: str, way: str) -> str:
    """One character as a string literal may write it."""
    if way == "four digits":
        units = character.encode("utf-16-be")
        return "".join(f"\\u{units[place]:02X}{units[place + 1]:02x}" for place in range(0, len(units), 2))
    return json.dumps(character, ensure_ascii=way == "short")[1:-1]


failures = (
    st.none() | any_text | st.builds("the code is no {}: line {}: x".format, st.sampled_from(LANGUAGES), st.integers(-1, 10**12))
)
outcomes = st.builds(
    Outcome,
    st.sampled_from(RUNGS),
    st.sampled_from(LANGUAGES),
    st.none() | st.sampled_from(CAUSES),
    failures,
    st.none() | st.sampled_from(LANGUAGES) | any_text,
)
codes = st.text(st.characters(codec="utf-8") | st.sampled_from('\r\n"\\/\0é😀'), min_size=1).filter(str.strip)


@pytest.mark.parametrize(("cause", "text"), MARKED.values(), ids=MARKED)
def test_every_cause_has_its_place(cause: Cause, text: str) -> None:
    """What the ladder says of an answer is marked where it is in the answer."""
    raw, expected = marked(text)
    found = outcome(raw)
    assert (found.cause, break_of(raw, found)) == (cause, expected), found


@pytest.mark.parametrize(("text", "rung", "cause"), ANSWERS.values(), ids=ANSWERS)
def test_every_answer_that_fell_has_a_place(text: str, rung: str, cause: Cause | None) -> None:
    """Of all the answers that the ladder is tested with, the valid ones, the empty ones and the one too deep have no place."""
    unplaced = {ANSWERS[name][0] for name in WITHOUT_A_PLACE}
    assert (break_of(text, outcome(text)) is None) is (text in unplaced)


@pytest.mark.parametrize("text", ["", VALID[:40], "Sure! Here", "```json\n{", VALID.replace("x = 1", 'x = "1"')[:30]])
def test_a_truncated_answer_broke_at_its_end(text: str) -> None:
    """Whatever else is wrong with an answer that was cut off, it broke where it ends."""
    assert break_of(text, outcome(text, finish_reason="length")) == Break(len(text), len(text))


@pytest.mark.parametrize("decoding", ["json", "schema"])
@pytest.mark.parametrize("text", [text for _, text in MARKED.values()], ids=MARKED)
def test_ignored_decoding_changes_no_place(text: str, decoding: Decoding) -> None:
    """Where the server ignored the format, what is marked is what would be marked had it been asked for none."""
    text, _ = marked(text)
    assert break_of(text, outcome(text, decoding=decoding)) == break_of(text, outcome(text))


@given(any_text | near_misses(), outcomes)
def test_any_outcome_of_any_text_gives_a_valid_span_or_none(text: str, claimed: Outcome) -> None:
    """A saved run may claim any outcome of any text: nothing is raised, and what is marked lies within the text."""
    found = break_of(text, claimed)
    assert found is None or 0 <= found.start <= found.end <= len(text)


@given(any_text | near_misses())
def test_ignored_decoding_changes_no_place_in_any_text(text: str) -> None:
    """That holds for every text that is no artifact, however it was damaged."""
    real = outcome(text)
    assume(not real.reached("schema-valid"))
    assert break_of(text, Outcome(real.rung, "py", "decoding ignored")) == break_of(text, real)


@given(any_text | near_misses(), st.sampled_from(LANGUAGES))
def test_nothing_but_an_empty_or_a_perfect_answer_has_no_place(text: str, language: str) -> None:
    """An answer that fell for what the ladder really says of it has a place, unless it is empty."""
    real = outcome(text, language=language)
    found = break_of(text, real)
    assert (found is None) == (real.rung in ("nothing", "code parses"))
    assert found is None or 0 <= found.start <= found.end <= len(text)


@given(codes, st.data(), st.sampled_from(LANGUAGES))
def test_what_is_marked_of_the_code_decodes_to_the_line(text: str, data: st.DataObject, language: str) -> None:
    """However the code is escaped, what is marked for a flaw on a line decodes to exactly that line."""
    raw = f'{{"code": {data.draw(literals(text))}, "language": "{language}", "file_path": "a", "explanation": ""}}'
    count = len(re.split(r"\r\n|\r|\n" if language == "py" else r"\r?\n", text))
    number = data.draw(st.integers(1, count))
    found = break_of(raw, Outcome("schema-valid", language, "syntax", f"the code is no {language}: line {number}: x", language))
    assert found is not None
    assert json.loads(f'"{raw[found.start : found.end]}"') == line_of(text, number, language)


@given(artifacts, any_text.filter(bool), st.data(), st.booleans())
@example(Artifact("a", "py", "a", "b"), '"', None, True)
def test_a_character_too_many_is_not_marked_too_early(
    artifact: Artifact, noise: str, data: st.DataObject | None, ascii_only: bool
) -> None:
    """Where one character breaks the JSON of a valid answer, it or something behind it is marked; of a string without an end,
    its beginning is.
    """
    text = json.dumps(asdict(artifact), ensure_ascii=ascii_only)
    place = data.draw(st.integers(0, len(text))) if data else len(text) - 2
    broken = text[:place] + noise[0] + text[place:]
    real = outcome(broken)
    assume(real.rung == "answered")
    found = break_of(broken, real)
    assert found is not None
    assert found.end >= place or "Unterminated string" in (real.failure or "")


@pytest.mark.parametrize("name", LONG)
def test_a_long_answer_is_marked_in_no_time(name: str) -> None:
    """Time grows with the length of the text and not with its square, for every cause that may be claimed of it."""
    for rung in RUNGS[1:-1]:
        for cause in CAUSES:
            claimed = Outcome(rung, "ts", cause, "the code is no py: line 90000: x", "py")
            started = time.perf_counter()
            break_of(LONG[name], claimed)
            assert time.perf_counter() - started < 5, (rung, cause)


@pytest.mark.parametrize("claimed", [Outcome("code parses", "py", "syntax"), Outcome("answered", "py")])
def test_nothing_broke_on_the_top_rung_or_without_a_cause(claimed: Outcome) -> None:
    """An answer on the top rung has no place, and neither has one of which no cause is known."""
    assert break_of(VALID, claimed) is None


@pytest.mark.parametrize("cause", ["code fence", "prose around JSON", "extra key", "wrong type", "decoding ignored", "other"])
def test_what_does_not_fit_the_text_has_no_place(cause: Cause) -> None:
    """A cause that is claimed of a valid answer, and that nothing in it bears out, is marked nowhere."""
    assert break_of(VALID, Outcome("strict JSON", "py", cause, declared="py")) is None


@pytest.mark.parametrize(("number", "marked_code"), [("0", r"⟦a⟧\nb"), ("1", r"⟦a⟧\nb"), ("2", r"a\n⟦b⟧"), ("3", r"a\n⟦b⟧")])
def test_a_line_beyond_the_code_is_the_nearest_one(number: str, marked_code: str) -> None:
    """Of a line that the code does not have the nearest one is marked."""
    raw, expected = marked(code(marked_code))
    assert break_of(raw, Outcome("schema-valid", "py", "syntax", f"the code is no py: line {number}: x", "py")) == expected


@pytest.mark.parametrize("number", ["None", "-1", "9" * 20, "9" * 5_000])
def test_what_is_no_number_of_a_line_marks_the_whole_code(number: str) -> None:
    """Where a flaw names no line that code can have, the whole code is marked."""
    raw, expected = marked(VALID.replace('"x = 1\\n"', r'⟦"a\nb"⟧'))
    assert break_of(raw, Outcome("schema-valid", "py", "syntax", f"the code is no py: line {number}: x", "py")) == expected


@pytest.mark.parametrize("cause", ["code fence", "prose around JSON", "missing key", "extra key", "syntax"])
def test_what_is_claimed_of_a_broken_object_has_no_place(cause: Cause) -> None:
    """Nothing behind a broken object is marked, and nothing in it, where the claim is another than that it broke."""
    assert break_of('{"code" "x" ```', Outcome("answered", "py", cause)) is None

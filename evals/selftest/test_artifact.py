"""The artifact and its strict parser."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from agent.artifact import Artifact, parse, schema
from agent.errors import ArtifactError

EXAMPLES = settings(max_examples=200, deadline=None)
VALID = Artifact(code="print(1)\n", language="py", file_path="src/one.py", explanation="Prints one.")
LANGUAGES = ("tsx", "ts", "py", "js", "css", "sh")

any_text = st.text(alphabet=st.characters(codec=None))
"""Text of all code points, lone surrogates included."""
encodable_text = st.text()
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)
artifacts = st.builds(
    Artifact,
    code=encodable_text.filter(lambda text: bool(text.strip())),
    language=st.sampled_from(LANGUAGES),
    file_path=st.from_regex(r"[a-z]{1,8}(/[a-zA-Z0-9_-]{1,8}){0,3}\.[a-z]{2,3}", fullmatch=True),
    explanation=encodable_text,
)


@st.composite
def near_misses(draw: st.DrawFn) -> str:
    """A valid artifact's JSON with one key dropped, added or given another value, or with its text cut, doubled or wrapped."""
    value: dict[str, object] = asdict(draw(artifacts))
    key = draw(st.sampled_from([*value, "another"]))
    if draw(st.booleans()):
        value[key] = draw(json_values)
    else:
        value.pop(key, None)
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    place = draw(st.integers(0, len(text)))
    return draw(
        st.sampled_from([text, text[:place], text[place:], text[:place] + draw(any_text) + text[place:], f"```\n{text}\n```"])
    )


def _changed(**values: object) -> str:
    return json.dumps(asdict(VALID) | values)


def _refusal(text: str) -> ArtifactError:
    with pytest.raises(ArtifactError) as raised:
        parse(text)
    return raised.value


def _result(text: str) -> Artifact | ArtifactError:
    try:
        return parse(text)
    except ArtifactError as error:
        return error


def _accepts_or_refuses(text: str) -> None:
    result = _result(text)
    assert isinstance(result, Artifact) or result.rung in ("nothing", "answered", "strict JSON")
    str(result).encode()  # what a retry tells the model can be sent


@EXAMPLES
@given(any_text)
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """``parse`` raises nothing but ArtifactError, whatever the text is."""
    _accepts_or_refuses(text)


@EXAMPLES
@given(json_values, st.booleans())
def test_any_json_is_parsed_or_refused(value: object, ascii_only: bool) -> None:
    """``parse`` raises nothing but ArtifactError, whatever JSON the text is."""
    _accepts_or_refuses(json.dumps(value, ensure_ascii=ascii_only))


@EXAMPLES
@given(near_misses())
def test_any_near_miss_is_parsed_or_refused(text: str) -> None:
    """``parse`` raises nothing but ArtifactError, however a valid artifact was damaged."""
    _accepts_or_refuses(text)


@EXAMPLES
@given(artifacts, st.text(alphabet=" \t\r\n", max_size=4))
def test_valid_artifact_round_trips(artifact: Artifact, space: str) -> None:
    """A valid artifact comes back equal from its JSON, with or without whitespace around it."""
    assert parse(space + artifact.to_json() + space) == artifact


def test_nesting_near_the_recursion_limit_is_refused() -> None:
    """JSON that can just be read, but not validated or quoted, is refused like any other."""
    for depth in range(sys.getrecursionlimit() - 150, sys.getrecursionlimit() + 10):
        nested = "[" * depth + "]" * depth
        assert _refusal(nested)
        assert _refusal(_changed(code=None).replace("null", nested))


def test_schema_is_a_schema() -> None:
    """The schema is a valid draft 2020-12 schema and says so."""
    Draft202012Validator.check_schema(schema())
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_schema_has_exactly_the_artifacts_keys() -> None:
    """The schema requires the fields of Artifact and allows no others."""
    names = [field.name for field in fields(Artifact)]
    assert (list(schema()["properties"]), schema()["required"], schema()["additionalProperties"]) == (names, names, False)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_accepted(language: str) -> None:
    """Each of the six languages is valid."""
    assert parse(_changed(language=language)).language == language


NOT_JSON = {
    "empty": ("", "the answer is empty"),
    "blank": (" \n\t", "the answer is empty"),
    "prose": ("Sure, here is your file.", "does not begin with {"),
    "prose before": (f"Here it is: {VALID.to_json()}", "does not begin with {"),
    "fence": (f"```json\n{VALID.to_json()}\n```", "code fence"),
    "prose and fence": (f"Sure:\n```\n{VALID.to_json()}\n```", "code fence"),
    "byte order mark": ("\ufeff" + VALID.to_json(), "not"),
    "text after": (VALID.to_json() + " Enjoy!", "text follows the JSON object at line 1 column"),
    "two objects": (VALID.to_json() * 2, "text follows"),
    "cut off": (VALID.to_json()[:-20], "Unterminated string"),
    "single quotes": (str(asdict(VALID)), "double quotes"),
    "trailing comma": (VALID.to_json()[:-1] + ",}", "not JSON"),
    "comment": ("{ // a file\n" + VALID.to_json()[1:], "not JSON"),
    "raw line break in a string": (VALID.to_json().replace("\\n", "\n"), "Invalid control character"),
    "duplicate key": (VALID.to_json()[:-1] + ', "code": "x"}', '"code" appears twice'),
    "duplicate key inside": (_changed(explanation=None).replace("null", '{"a": 1, "a": 2}'), '"a" appears twice'),
    "NaN": (_changed(explanation=float("nan")), "NaN is not JSON"),
    "Infinity": (_changed(explanation=float("inf")), "Infinity is not JSON"),
    "-Infinity": (_changed(explanation=float("-inf")), "-Infinity is not JSON"),
    "huge integer": (_changed(explanation=None).replace("null", "9" * 5_000), "too large a number"),
    "deep list": ("[" * 100_000, "nested too deeply"),
    "deep object": ('{"a":' * 100_000, "nested too deeply"),
    "deep value": (_changed(explanation=None).replace("null", "[" * 50_000 + "]" * 50_000), "nested too deeply"),
}


@pytest.mark.parametrize(("text", "words"), NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_strict_json_is_refused(text: str, words: str) -> None:
    """An answer that is not one strict JSON value only counts as answered, and the message says what is wrong."""
    error = _refusal(text)
    assert (error.rung, words in str(error)) == ("answered" if text.strip() else "nothing", True), str(error)


NOT_AN_ARTIFACT = {
    "list": ("[]", "the object: [] is not a JSON object"),
    "string": ('"code"', "is not a JSON object"),
    "null": ("null", "is not a JSON object"),
    "missing key": (json.dumps({k: v for k, v in asdict(VALID).items() if k != "explanation"}), "'explanation' is a required"),
    "extra key": (_changed(tests="none"), "'tests' was unexpected"),
    "wrong case of a key": (_changed(Code="x"), "'Code' was unexpected"),
    "unknown language": (_changed(language="typescript"), 'language: "typescript" is not one of tsx, ts, py, js, css, sh'),
    "language in capitals": (_changed(language="TSX"), "is not one of"),
    "language null": (_changed(language=None), "language: null is not one of"),
    "code as lines": (_changed(code=["a", "b"]), 'code: ["a", "b"] is not a JSON string'),
    "code as number": (_changed(code=1), "code: 1 is not a JSON string"),
    "explanation null": (_changed(explanation=None), "explanation: null is not a JSON string"),
    "path as object": (_changed(file_path={}), "file_path: {} is not a JSON string"),
    "empty code": (_changed(code=""), 'code: "" is not non-empty source code'),
    "blank code": (_changed(code=" \n\t"), "is not non-empty source code"),
    "lone surrogate in code": (_changed(code="x\ud800"), "code: a lone surrogate"),
    "lone surrogate in explanation": (_changed(explanation="\udfff"), "explanation: a lone surrogate"),
    "lone surrogate in path": (_changed(file_path="\ud800.py"), "file_path: a lone surrogate"),
    "two faults": (_changed(language="c", code=1), "code: 1 is not a JSON string; language:"),
}


@pytest.mark.parametrize(("text", "words"), NOT_AN_ARTIFACT.values(), ids=NOT_AN_ARTIFACT)
def test_what_breaks_the_schema_is_refused(text: str, words: str) -> None:
    """JSON that is no artifact counts as strict JSON, and the message names the place and what is allowed."""
    error = _refusal(text)
    assert (error.rung, words in str(error)) == ("strict JSON", True), str(error)


UNSAFE_PATHS = (
    "", "/", "/a", "/etc/passwd", "//host/a", "..", "../a", "a/..", "a/../b", "a/b/../../../c", ".", "./", "a/", "a/.", "a/./",
    "C:/x", "C:x", "c:\\x", "\\\\host\\a", "a\\b", "a\\..\\b", "a:b", "a\0b", "\0", "a\n", "a\nb", "a\r\n", "\ta", "a\x7f", "a/\n",
    "../a\n", "..\n", "x\n/../y", "a" * 241,
)  # fmt: skip


@pytest.mark.parametrize("path", UNSAFE_PATHS, ids=ascii)
def test_unsafe_path_is_refused(path: str) -> None:
    """A path that is absolute, climbs, names a drive or a folder, or holds a backslash or control character is refused."""
    assert str(_refusal(_changed(file_path=path))).startswith("file_path: ")


@pytest.mark.parametrize(
    "path", ["a", "a.py", "src/a.py", ".env", ".github/ci.sh", "...", "a..b", "..a/b..", "a b.css", "ä/ö.ts", "a" * 240]
)
def test_safe_path_is_accepted(path: str) -> None:
    """A relative path that stays below its folder is accepted, dots in names and other alphabets included."""
    assert parse(_changed(file_path=path)).file_path == path


def test_message_stays_short() -> None:
    """A refusal never quotes more than a piece of a long answer."""
    assert len(str(_refusal(_changed(language="x" * 10_000)))) < 200


@pytest.mark.parametrize(
    ("text", "fished"),
    {
        "language tag": (f"```json\n{VALID.to_json()}\n```", True),
        "no tag": (f"```\n{VALID.to_json()}\n```", True),
        "prose around": (f"Sure!\n\n```json\n{VALID.to_json()}\n```\nEnjoy.", True),
        "second fence": (f"```sh\nls\n```\nthen\n```json\n{VALID.to_json()}\n```", True),
        "invalid in fence": (f"```json\n{_changed(language='c')}\n```", False),
        "no fence": (f"Sure: {VALID.to_json()}", False),
        "never closed": (f"```json\n{VALID.to_json()}\n", False),
        "valid object in the code": (_changed(language="c", code=f"```\n{VALID.code}\n```"), False),
    }.values(),
)
def test_json_in_a_fence_is_recorded_and_still_refused(text: str, *, fished: bool) -> None:
    """A valid artifact in a code fence is recorded on the error, and the answer is refused all the same."""
    assert _refusal(text).json_in_fence is fished

"""Constrained decoding: what is asked for, and what shows that it was not honoured."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.artifact import parse, schema
from agent.decoding import is_honoured, response_format, sent_schema
from agent.errors import ArtifactError

ARTIFACT = {"code": "x", "language": "py", "file_path": "a.py", "explanation": "One."}
json_values: Any = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def test_free_decoding_asks_for_nothing() -> None:
    """Without a constraint the request has no ``response_format``."""
    assert response_format("free") == {}


def test_json_mode_asks_for_an_object() -> None:
    """JSON mode is ``response_format: {"type": "json_object"}``."""
    assert response_format("json") == {"response_format": {"type": "json_object"}}


def test_the_schema_is_sent_without_what_no_decoder_holds_to() -> None:
    """The schema that is sent has the types, keys and languages of the artifact's, and neither patterns nor prose."""
    sent = response_format("schema")["response_format"]["json_schema"]["schema"]
    assert sent == sent_schema()
    whole = schema()
    assert (sent["required"], sent["additionalProperties"]) == (whole["required"], False)
    assert sent["properties"].keys() == whole["properties"].keys()
    assert sent["properties"]["language"] == {"enum": whole["properties"]["language"]["enum"]}
    assert not [word for word in ("pattern", "maxLength", "description", "$schema") if f'"{word}"' in json.dumps(sent)]


@given(json_values)
def test_json_mode_is_honoured_by_every_object(value: object) -> None:
    """Any JSON object is what a server in JSON mode can answer, and no other JSON value is."""
    assert is_honoured("json", json.dumps(value)) is isinstance(value, dict)


@given(st.text())
def test_no_text_breaks_the_look_at_it(text: str) -> None:
    """Whatever a server answers, the look at it raises nothing, and free decoding is always honoured."""
    assert is_honoured("free", text)
    assert is_honoured("schema", text) <= is_honoured("json", text) <= is_honoured("free", text)


@pytest.mark.parametrize("flaw", [{"language": "python"}, {"code": 1}, {"more": "x"}, {"file_path": None}])
def test_an_answer_outside_the_sent_schema_was_not_held_to_it(flaw: dict[str, Any]) -> None:
    """A wrong language, a wrong type and a key too many are none of what a server that honours the schema can answer."""
    assert not is_honoured("schema", json.dumps(ARTIFACT | flaw))


@given(
    st.fixed_dictionaries(
        {"code": st.text(), "file_path": st.text(), "explanation": st.text(), "language": st.sampled_from(["py", "tsx"])}
    )
)
def test_every_valid_artifact_honours_the_sent_schema(artifact: dict[str, str]) -> None:
    """What the whole schema takes, the sent one takes, too."""
    text = json.dumps(artifact)
    try:
        parse(text)
    except ArtifactError:
        return
    assert is_honoured("schema", text)


def test_a_very_deep_answer_is_no_error() -> None:
    """An answer of a hundred thousand brackets is not honoured, and raises nothing."""
    assert not is_honoured("json", "[" * 100_000)


@pytest.mark.parametrize("value", ["1" * 5_000, "[" * 100_000 + "]" * 100_000])
def test_json_that_is_too_much_for_python_is_still_json(value: str) -> None:
    """An object with a number of 5,000 digits, or nested 100,000 deep, is what JSON mode asks for, and not what the schema does."""
    assert is_honoured("json", f'{{"code": {value}}}')
    assert not is_honoured("schema", f'{{"code": {value}}}')


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_what_only_python_calls_json_is_not_honoured(name: str) -> None:
    """A server that holds an answer to JSON cannot give ``NaN`` or ``Infinity``, which Python would read."""
    assert not is_honoured("json", f'{{"code": {name}}}')

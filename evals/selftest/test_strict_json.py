"""Strict JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.strict_json import loads

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=VALUES)
def test_json_is_read(value: object) -> None:
    """Whatever JSON can hold comes back."""
    assert loads(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("[1,\n NaN]", 2, 2, "NaN is not JSON"),
        ('{"NaN": -Infinity}', 1, 9, "-Infinity is not JSON"),
        ('["Infinity", Infinity]', 1, 14, "Infinity is not JSON"),
        ('["1e999", 1e999]', 1, 11, '"1e999" is too large a number'),
        ("[1e308, -1e309]", 1, 9, '"-1e309" is too large a number'),
        ('{"a": {"b": 1}, "b": 2,\n "a": 3}', 2, 2, 'the key "a" appears twice'),
        ('{"a": {"b": 1, "b": 2}}', 1, 16, 'the key "b" appears twice'),
        ('{"a": 1, "\\u0061": 2}', 1, 10, 'the key "a" appears twice'),
        ('{"a\\"": ":", "a\\"": 1}', 1, 14, 'the key "a\\"" appears twice'),
        ("[" + "9" * 5000 + "]", 1, 2, "is too large a number"),
        ('{"a": 1', 1, 8, "Expecting ',' delimiter"),
        ("", 1, 1, "Expecting value"),
    ],
)
def test_what_is_refused_has_its_place(text: str, line: int, column: int, reason: str) -> None:
    """Everything that is refused is refused at its place, with its reason."""
    with pytest.raises(json.JSONDecodeError) as raised:
        loads(text)
    assert (raised.value.lineno, raised.value.colno) == (line, column)
    assert reason in raised.value.msg


@given(text=st.text(alphabet='{}[]:,"\\ \n019.eE+-NaInfityulrs'))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever the text is, the answer is a value or one kind of error."""
    try:
        loads(text)
    except json.JSONDecodeError as error:
        assert 0 <= error.pos <= len(text)  # noqa: PT017 - either outcome is allowed

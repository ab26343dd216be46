"""Checking saved files: two validators look at them, and what they let through is what the stricter one alone does."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from agent.errors import RunFileError
from evals import runfile
from evals.runs import saved_part
from evals.schedule import REGIMES
from evals.selftest.report.sample import sample_run
from evals.trials import Fault

Place = tuple[str | int, ...]


def whole_run() -> dict[str, Any]:
    """A small run that has something of everything that a file may hold, as its file holds it."""
    run = sample_run(tasks=1, epochs=1, regimes=REGIMES, stacks=("optimized",))
    corrected, other = run.trials
    fault = Fault("ModelTimeoutError", "silent", 0.5, corrected.first.messages, "half", ("a fact",), 0.1, corrected.attempts)
    head = replace(run.header, left_out={"naive-100-turns": "it does not fit"}, seeding={100: 1.5})
    faulted = replace(other, attempts=(), facts=None, retrieval_seconds=None, faults=(fault,))
    made = replace(run, header=head, trials=(corrected, faulted), missing=((1, "a", "naive", "warm"),))
    part: dict[str, Any] = json.loads(json.dumps(saved_part(made, {})))
    return part


RUN = whole_run()
LINES = [
    {"run": {name: RUN[name] for name in ("format", "run", "settings", "target", "fingerprint", "left_out", "seeding")}},
    {"trial": RUN["trials"][0], "messages": RUN["messages"]},
    {"finished": True},
]
FILES: list[tuple[Any, str]] = [(RUN, "run"), *((line, "journal_line") for line in LINES)]

ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 0.5, 1.0, -0.0, 1e16, 1e300, 10**19, 10**400, -(10**400), 2**53 + 1),
    *("", "1", "warm", "naive", "x" * 40, "0" * 64, f"{'0' * 64}\n", "é\n", "\x00", "\ud800"),
    *([], [1], [1.0], [1, 1.0], [True, 1], ["a", "a"], {}, {"a": 1}, {"1": 1.0}, {"": None}, [[[]]]),
]
VALUES = st.one_of(
    st.sampled_from(ODD),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=9)),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=5,
    ),
)


def places(value: Any, here: Place = ()) -> Iterator[Place]:
    """Every place below the whole, by the keys and numbers that lead to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*here, key)
        yield from places(one, (*here, key))


def at(value: Any, place: Place) -> Any:
    """What stands at a place."""
    for key in place:
        value = value[key]
    return value


def changed(whole: Any, place: Place, value: Any) -> Any:
    """A copy with another value at one place."""
    copied = copy.deepcopy(whole)
    at(copied, place[:-1])[place[-1]] = copy.deepcopy(value)
    return copied


def accepted(value: Any, definition: str) -> bool:
    """Whether a file is let through."""
    try:
        runfile.check("file", "", value, definition)
    except RunFileError:
        return False
    return True


def sound(value: Any, definition: str) -> bool:
    """Whether the strict validator alone has nothing against it."""
    return not list(runfile._validator(definition).iter_errors(value))


@st.composite
def damaged(draw: st.DrawFn) -> tuple[Any, str]:
    """A file that was changed at up to three places: another value, a key that is missing, moved or one too many."""
    whole, definition = draw(st.sampled_from(FILES))
    value = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(list(places(value)) or [()]))
        holder = at(value, place[:-1])
        change = draw(st.sampled_from(("value", "value", "float", "gone", "more", "moved")))
        if not place or change == "more":
            _add(holder, draw(st.text(max_size=9)), copy.deepcopy(draw(VALUES)))
        elif change == "gone":
            del holder[place[-1]]
        elif change == "moved":
            _add(holder, draw(st.text(max_size=9)), holder.pop(place[-1]))
        elif change == "float" and type(holder[place[-1]]) is int:
            holder[place[-1]] = float(holder[place[-1]])
        else:
            holder[place[-1]] = copy.deepcopy(draw(VALUES))
    return value, definition


def _add(holder: Any, key: str, value: Any) -> None:
    if isinstance(holder, dict):
        holder[key] = value
    else:
        holder.append(value)


@settings_of_hypothesis(max_examples=300)
@given(damaged())
def test_what_is_let_through_is_what_the_strict_validator_lets_through(damage: tuple[Any, str]) -> None:
    """The quick validator never lets anything through that the strict one refuses, and refuses nothing by itself."""
    assert accepted(*damage) == sound(*damage)


@pytest.mark.parametrize("whole", range(len(FILES)))
def test_no_odd_value_is_let_through_anywhere(whole: int) -> None:
    """The same for every odd value at every place whose shape differs."""
    value, definition = FILES[whole]
    shapes = {tuple(0 if isinstance(key, int) else key for key in place): place for place in places(value)}
    for place in shapes.values():
        for odd in (value_as_float(at(value, place)), 1.0, 10**400, None, [1, 1.0], "\ud800"):
            one = changed(value, place, odd)
            assert accepted(one, definition) == sound(one, definition), (place, odd)


def value_as_float(value: Any) -> Any:
    """A whole number as a float, and anything else as it is."""
    return float(value) if type(value) is int else value


@pytest.mark.parametrize("whole", range(len(FILES)))
def test_a_sound_file_needs_the_quick_validator_alone(monkeypatch: pytest.MonkeyPatch, whole: int) -> None:
    """The slow one is not asked about a file that has nothing odd in it."""

    def asked(_: str) -> None:
        pytest.fail("the slow validator was asked")

    monkeypatch.setattr(runfile, "_validator", asked)
    runfile.check("file", "", *FILES[whole])


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (("settings", "epochs"), "file: evals.settings.epochs: 1.0 is not of type 'integer'"),
        (("trials", 0, "epoch"), "file: evals.trials[0].epoch: 1.0 is not of type 'integer'"),
        (("missing", 0, 0), "file: evals.missing[0][0]: 1.0 is not of type 'integer'"),
    ],
)
def test_a_float_is_no_whole_number(place: Place, said: str) -> None:
    """To JSON Schema 1.0 is an integer; here it is refused wherever one is asked for, with its place."""
    with pytest.raises(RunFileError) as raised:
        runfile.check("file", "evals", changed(RUN, place, 1.0), "run")
    assert str(raised.value) == said


def test_a_whole_number_of_seconds_is_a_number() -> None:
    """A time may be 1.0, and is read."""
    runfile.check("file", "", changed(RUN, ("settings", "deadline"), 1.0), "run")

"""What reading a saved run and reading a journal share: the distrust with which their bytes are met.

The format is described by ``run.schema.json``.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from agent import strict_json
from agent.errors import RunFileError
from agent.prompts import Message
from evals.messages import message_hash
from evals.run import FORMAT
from evals.trials import Trial

if TYPE_CHECKING:
    import jsonschema_rs
    from jsonschema.protocols import Validator

SCHEMA_FILE = Path(__file__).with_name("run.schema.json")
MOST_BYTES = 128 * 2**20
"""The largest file that is read: 10,000 trials take about a third of it."""

_HALF_A_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
"""Where this escape does not stand, UTF-8 holds no half of a character."""

_Walked = dict[str, Any] | list[Any]

Source = Path | str
"""A file, or what else the bytes come from, as an error names it."""


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Keep Python from looking for garbage while a large file becomes objects, none of which are: it would take a seventh of the
    time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def read_bytes(file: Path, opened: IO[bytes] | None = None) -> bytes:
    """The whole file, if it is not too large.

    Raises:
        RunFileError: when it cannot be read or is larger than :data:`MOST_BYTES`.
    """
    try:
        if opened is None:
            with file.open("rb") as lines:
                content = lines.read(MOST_BYTES + 1)
        else:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise RunFileError(f"{file} cannot be read: {error}") from error
    if len(content) > MOST_BYTES:
        raise RunFileError(f"{file}: it is larger than {MOST_BYTES // 2**20} MiB, which no run of this suite is")
    return content


def parse(source: Source, place: str, content: bytes) -> Any:
    """Strict JSON in UTF-8; ``place`` says where in the file it stands, and is empty for the whole of it.

    Raises:
        RunFileError: for anything else, with the place.
    """
    at = f"{place}, " if place else ""
    try:
        value = strict_json.loads(content.decode())
        if _HALF_A_CHARACTER.search(content):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise RunFileError(f"{source}: {at}it holds half a character ({error.object[error.start]!a}), which is no text") from error
    except UnicodeDecodeError as error:
        raise RunFileError(f"{source}: {at}byte {error.start}: it is no UTF-8") from error
    except json.JSONDecodeError as error:
        where = f"{at}column {error.colno}" if place else f"line {error.lineno}, column {error.colno}"
        raise RunFileError(f"{source}: {where}: {error.msg}; it is damaged or cut off") from error
    except RecursionError as error:
        raise RunFileError(f"{source}: {at}it is nested too deeply") from error
    return value


def check(source: Source, place: str, value: Any, definition: str) -> None:
    """Check a value against one definition of the schema.

    Raises:
        RunFileError: at the first thing that breaks it, with the place.
    """
    if _is_surely_sound(value, definition):
        return
    error = next(iter(_validator(definition).iter_errors(value)), None)
    if error is not None:
        message = error.message if len(error.message) <= 200 else f"{error.message[:199]}…"
        raise RunFileError(f"{source}: {place}{error.json_path.removeprefix('$')}: {message}")


def check_format(source: Source, place: str, saved: Any) -> None:
    """Refuse a file of another format, before anything else is said about it.

    Raises:
        RunFileError: for every format but :data:`FORMAT`.
    """
    # Format 1 called it so.
    found = saved.get("format", saved.get("version")) if isinstance(saved, dict) else None
    if found != FORMAT:
        raise RunFileError(f"{source}: {place}: it has format {found}, and this version reads format {FORMAT} alone")


def messages_of(source: Source, place: str, saved: dict[str, Any]) -> dict[str, Message]:
    """The messages under their hashes.

    Raises:
        RunFileError: when a message does not have the hash that it stands under.
    """
    messages = {name: Message(**message) for name, message in saved.items()}
    for name, message in messages.items():
        if message_hash(message) != name:
            raise RunFileError(f"{source}: {place}: message {name} has another content than its hash says")
    return messages


def check_trial(source: Source, place: str, trial: Trial, messages: Mapping[str, Message]) -> None:
    """Check what a schema cannot say of a trial.

    Raises:
        RunFileError: when it names a message that is not there, or has a time that cannot be.
    """
    attempts = [*trial.attempts, *(attempt for fault in trial.faults for attempt in fault.attempts)]
    sent = [*(attempt.messages for attempt in attempts), *(fault.messages for fault in trial.faults)]
    if lost := [name for name in itertools.chain(*sent) if name not in messages]:
        raise RunFileError(f"{source}: {place}: message {min(lost)} is not among the messages")
    for completion in (attempt.completion for attempt in attempts):
        if completion.ttft is not None and completion.ttft > completion.latency:
            raise RunFileError(f"{source}: {place}: a TTFT of {completion.ttft} s is longer than its latency")


def _is_surely_sound(value: Any, definition: str) -> bool:
    """Whether a value is sound beyond doubt: jsonschema, which has the last word and tells what is wrong, takes 20 s for 10,000
    trials, and jsonschema-rs a fiftieth of one. Where they may differ, this says no: in a whole number that is written as a float,
    and in what the quick one cannot hold at all.
    """
    if _may_be_no_integer(value):
        return False
    try:
        return bool(_quick_validator(definition).is_valid(value))
    except (ValueError, OverflowError, RecursionError):
        return False


def _may_be_no_integer(value: Any) -> bool:
    """Whether a float like 1.0 stands in a list, or under the name of an integer."""
    waiting: list[_Walked] = [{"": value}]
    while waiting:
        walked = waiting.pop()
        pairs = walked.items() if isinstance(walked, dict) else zip(itertools.repeat(None), walked)
        for name, inner in pairs:
            if isinstance(inner, dict | list):
                waiting.append(inner)
            elif type(inner) is float and inner.is_integer() and (name is None or name in _integer_names()):
                return True
    return False


@functools.cache
def _integer_names() -> frozenset[str]:
    """The names under which the schema has integers."""
    definitions = _schema()["$defs"]
    found = set()
    for definition in _objects(definitions):
        for name, rule in definition.get("properties", {}).items():
            resolved = definitions.get(str(rule.get("$ref", "")).rpartition("/")[2], rule)
            types = resolved.get("type", ())
            if "integer" in ([types] if isinstance(types, str) else types):
                found.add(name)
    return frozenset(found)


def _objects(rule: Any) -> list[dict[str, Any]]:
    """A rule of the schema with all rules in it."""
    if isinstance(rule, dict):
        return [rule, *itertools.chain(*map(_objects, rule.values()))]
    return list(itertools.chain(*map(_objects, rule))) if isinstance(rule, list) else []


@functools.cache
def _schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return loaded


def _part(definition: str) -> dict[str, Any]:
    """The schema of one definition."""
    return {"$schema": _schema()["$schema"], "$ref": f"#/$defs/{definition}", "$defs": _schema()["$defs"]}


@functools.cache
def _quick_validator(definition: str) -> jsonschema_rs.Validator:
    import jsonschema_rs

    return jsonschema_rs.validator_for(_part(definition))


@functools.cache
def _validator(definition: str) -> Validator:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    # To JSON Schema 1.0 is an integer, to Python it is none.
    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    make: Any = extend
    validator: Validator = make(Draft202012Validator, type_checker=types)(_part(definition))
    return validator

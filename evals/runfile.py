"""What reading a saved run and reading a journal share: the distrust with which their bytes are met.

The format is described by ``run.schema.json``.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from agent import strict_json
from agent.errors import RunFileError
from agent.prompts import Message
from evals.messages import message_hash
from evals.run import FORMAT

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

SCHEMA_FILE = Path(__file__).with_name("run.schema.json")
MOST_BYTES = 256 * 2**20
"""The largest file that is read: 10,000 trials take about a fifth of it."""


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


def parse(file: Path, place: str, content: bytes) -> Any:
    """Strict JSON in UTF-8; ``place`` says where in the file it stands, and is empty for the whole of it.

    Raises:
        RunFileError: for anything else, with the place.
    """
    at = f"{place}, " if place else ""
    try:
        return strict_json.loads(content.decode())
    except UnicodeDecodeError as error:
        raise RunFileError(f"{file}: {at}byte {error.start}: it is no UTF-8") from error
    except json.JSONDecodeError as error:
        where = f"{at}column {error.colno}" if place else f"line {error.lineno}, column {error.colno}"
        raise RunFileError(f"{file}: {where}: {error.msg}; it is damaged or cut off") from error
    except RecursionError as error:
        raise RunFileError(f"{file}: {at or 'it '}is nested too deeply") from error


def check(file: Path, place: str, value: Any, definition: str) -> None:
    """Check a value against one definition of the schema.

    Raises:
        RunFileError: at the first thing that breaks it, with the place.
    """
    error = next(iter(_validator(definition).iter_errors(value)), None)
    if error is not None:
        message = error.message if len(error.message) <= 200 else f"{error.message[:199]}…"
        raise RunFileError(f"{file}: {place}{error.json_path.removeprefix('$')}: {message}")


def check_format(file: Path, place: str, saved: Any) -> None:
    """Refuse a file of another format, before anything else is said about it.

    Raises:
        RunFileError: for every format but :data:`FORMAT`.
    """
    # Format 1 called it so.
    found = saved.get("format", saved.get("version")) if isinstance(saved, dict) else None
    if found != FORMAT:
        raise RunFileError(f"{file}: {place}: it has format {found}, and this version reads format {FORMAT} alone")


def messages_of(file: Path, place: str, saved: dict[str, Any]) -> dict[str, Message]:
    """The messages under their hashes.

    Raises:
        RunFileError: when a message does not have the hash that it stands under.
    """
    messages = {name: Message(**message) for name, message in saved.items()}
    for name, message in messages.items():
        if message_hash(message) != name:
            raise RunFileError(f"{file}: {place}: message {name} has another content than its hash says")
    return messages


@functools.cache
def _validator(definition: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return Draft202012Validator({"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]})

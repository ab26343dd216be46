"""The artifact that the agent answers with, and the strict parser that accepts nothing else."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import strict_json
from agent.errors import CAUSES, ArtifactError, Cause, Rung

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

SCHEMA_FILE = Path(__file__).parents[1] / "fixtures" / "artifact.schema.json"

_FENCE = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)
_OBJECT = re.compile(r'\{\s*"')
_KEYS = r'"(?:code|language|file_path|explanation)"'
_KEY = re.compile(_KEYS)
_KEY_WITH_COLON = re.compile(rf"{_KEYS}\s*:")
_KEY_AT_END = re.compile(rf"[{{,]\s*{_KEYS}$")
_CAUSES_OF_VALIDATORS: dict[str, Cause] = {
    "required": "missing key",
    "additionalProperties": "extra key",
    "enum": "wrong enum",
    "type": "wrong type",
}
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of source code.

    ``language`` is one of ``tsx, ts, py, js, css, sh``; ``file_path`` is relative, with forward slashes and no ``..``.
    """

    code: str
    language: str
    file_path: str
    explanation: str

    def to_json(self) -> str:
        """The artifact as the JSON object that :func:`parse` accepts."""
        return json.dumps(asdict(self), ensure_ascii=False)


def parse(text: str) -> Artifact:
    """Read an artifact from the model's whole answer.

    The answer must be the JSON object and nothing else (RFC 8259 allows whitespace around it). Duplicate keys, ``NaN`` and
    text that is not valid Unicode are refused too.

    Raises:
        ArtifactError: for every other text, whatever it is. Its message is what a corrective retry tells the model.
    """
    try:
        return _artifact_in(text)
    except ArtifactError as error:
        error.json_in_fence = _is_artifact_in_fence(text)
        raise


def schema() -> dict[str, Any]:
    """The artifact's JSON Schema (draft 2020-12)."""
    loaded: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return loaded


def _artifact_in(text: str) -> Artifact:
    try:
        return _validated(_strict_json(text))
    except RecursionError as error:
        # Reading, validating and quoting each have their own limit, so the catch stands around them all.
        raise ArtifactError("not valid JSON: it is nested too deeply", rung="answered", cause="other") from error


def _strict_json(text: str) -> Any:
    try:
        return strict_json.loads(text)
    except json.JSONDecodeError as error:
        rung: Rung = "answered" if text.strip() else "nothing"
        raise ArtifactError(_json_complaint(text, error), rung=rung, cause=_json_cause(text, error)) from error


def _json_complaint(text: str, error: json.JSONDecodeError) -> str:
    if not text.strip():
        return "not JSON: the answer is empty"
    if _has_fence_outside(text):
        return "not JSON: there is a code fence; the answer must be the JSON object alone"
    if not text.lstrip().startswith("{"):
        return "not JSON: the answer does not begin with {; it must be the JSON object alone"
    if error.msg == "Extra data":
        return f"not JSON: text follows the JSON object at line {error.lineno} column {error.colno}"
    return f"not JSON: {error.msg} at line {error.lineno} column {error.colno}"


def _json_cause(text: str, error: json.JSONDecodeError) -> Cause:
    """What kept the text from being JSON: the first thing that the parser met."""
    if _has_fence_outside(text):
        return "code fence"
    if not text.lstrip().startswith("{"):
        return "prose around JSON" if _OBJECT.search(text) else "other"
    if error.msg == "Extra data":
        return _cause_of_extra_data(text, text[error.pos :])
    return "bad escape or quote" if _is_in_a_string(text, error) else "other"


def _cause_of_extra_data(text: str, extra: str) -> Cause:
    if "```" in extra:
        return "code fence"
    if not extra.strip("}] \t\r\n"):
        return "other"
    # A quote and a brace inside the code end the object before its other keys.
    ended_early = bool(_KEY_WITH_COLON.search(extra)) and len(set(_KEY.findall(text[: -len(extra)]))) < 4
    return "bad escape or quote" if ended_early else "prose around JSON"


def _has_fence_outside(text: str) -> bool:
    return "```" in text and not text.lstrip().startswith("{")


def _is_in_a_string(text: str, error: json.JSONDecodeError) -> bool:
    """Whether the error comes from a string that was written wrongly: a bad escape, a raw line break, a wrong quote around it, or
    an inner quote that closed it early. After such a quote the parser wants a comma or a colon and meets the rest of the string.
    """
    rest = text[error.pos :].lstrip()
    if error.msg.startswith("Invalid"):
        return True
    if error.msg.startswith("Unterminated string"):
        return text.rstrip().endswith("}")
    if error.msg == "Expecting value":
        return rest.startswith(("'", "`"))
    wants_separator = error.msg.startswith(("Expecting ',", "Expecting ':'"))
    after_string = bool(rest) and text[: error.pos].rstrip().endswith('"')
    return wants_separator and after_string and not _is_separated(text, error, rest)


def _is_separated(text: str, error: json.JSONDecodeError, rest: str) -> bool:
    """Whether only the comma or the colon is missing where the parser wants one: a known key stands right behind, or before."""
    if error.msg.startswith("Expecting ',"):
        return bool(_KEY_WITH_COLON.match(rest))
    return bool(_KEY_AT_END.search(text[: error.pos].rstrip()))


def _validated(value: Any) -> Artifact:
    errors = sorted(_validator().iter_errors(value), key=lambda error: (list(map(str, error.path)), str(error.validator)))
    if errors:
        causes = {_schema_cause(error) for error in errors}
        cause = next(cause for cause in CAUSES if cause in causes)
        raise ArtifactError("; ".join(map(_schema_complaint, errors)), rung="strict JSON", cause=cause)
    artifact = Artifact(**value)
    _refuse_lone_surrogates(artifact)
    return artifact


def _schema_complaint(error: ValidationError) -> str:
    place = ".".join(map(str, error.path)) or "the object"
    rule: Any = error.validator_value
    if error.validator in ("pattern", "maxLength"):
        described: Any = error.schema
        return f"{place}: {_shown(error.instance)} is not {described['description']}"
    if error.validator == "enum":
        return f"{place}: {_shown(error.instance)} is not one of {', '.join(map(str, rule))}"
    if error.validator == "type":
        return f"{place}: {_shown(error.instance)} is not a JSON {rule}"
    return f"{place}: {_shortened(error.message)}"


def _schema_cause(error: ValidationError) -> Cause:
    by_place: dict[str, Cause] = {"file_path": "unsafe path", "code": "empty code"}
    place = str(error.path[0]) if error.path else ""
    return _CAUSES_OF_VALIDATORS.get(str(error.validator)) or by_place.get(place, "other")


def _refuse_lone_surrogates(artifact: Artifact) -> None:
    for name, value in asdict(artifact).items():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ArtifactError(
                f"{name}: a lone surrogate escape is not text", rung="strict JSON", cause="bad escape or quote"
            ) from error


def _is_artifact_in_fence(text: str) -> bool:
    for fenced in _FENCE.findall(text):
        try:
            _artifact_in(fenced)
        except ArtifactError:
            continue
        return True
    return False


def _shown(value: object) -> str:
    return _shortened(json.dumps(value, default=repr))


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


@functools.cache
def _validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema())

"""Constrained decoding: what a server is asked to hold an answer to, and whether it did."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, NoReturn

from agent.artifact import schema
from agent.stacks import Decoding

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

_PROSE = ("$schema", "title", "description")
_NOT_SENT = (*_PROSE, "pattern", "maxLength")
"""What decoders cannot hold an answer to, or not all of them: llama.cpp turns a schema into a grammar, and knows neither
look-arounds in patterns nor patterns without anchors. The whole schema still decides whether an answer is valid."""


def response_format(decoding: Decoding) -> dict[str, Any]:
    """The ``response_format`` of a chat completions request, as OpenAI, Ollama, llama.cpp and vLLM take it; empty for free
    decoding.
    """
    if decoding == "free":
        return {}
    if decoding == "json":
        return {"response_format": {"type": "json_object"}}
    return {
        "response_format": {"type": "json_schema", "json_schema": {"name": "artifact", "strict": True, "schema": sent_schema()}}
    }


def is_honoured(decoding: Decoding, text: str) -> bool:
    """Whether an answer that ended by itself is what a server that honours ``decoding`` can answer.

    A server may ignore what it does not know without an error (Ollama does), and that shows in the answer alone. A single
    answer that fits proves nothing.
    """
    if decoding == "free":
        return True
    try:
        # As floats, numbers may have more digits than Python takes for an integer.
        value = json.loads(text, parse_int=float, parse_constant=_refuse)
    except ValueError:
        return False
    except RecursionError:
        # Too deep to be read here: the schema has nothing that is nested, and what opens as an object may be one.
        return decoding == "json" and text.lstrip().startswith("{")
    return isinstance(value, dict) if decoding == "json" else bool(_validator().is_valid(value))


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


@functools.cache
def sent_schema() -> dict[str, Any]:
    """The artifact's schema with what decoders know of it: types, keys and the list of languages."""
    return _without_unsent(schema())  # type: ignore[no-any-return]


def _without_unsent(rules: Any) -> Any:
    if not isinstance(rules, dict):
        return rules
    kept = {key: _without_unsent(rule) for key, rule in rules.items() if key not in _NOT_SENT}
    if "properties" in rules:
        kept["properties"] = {name: _without_unsent(rule) for name, rule in rules["properties"].items()}
    return kept


@functools.cache
def _validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(sent_schema())

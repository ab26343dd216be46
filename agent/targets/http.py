"""JSON over HTTP for preflights: small requests, short timeouts, one kind of error."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from agent.errors import AgentError, TargetError

_MOST_BYTES = 8_000_000


def fetch_json(url: str, body: dict[str, Any] | None = None, *, timeout: float = 5.0, api_key: str = "") -> Any:
    """GET ``url``, or POST ``body`` to it, and return the JSON that comes back. ``timeout`` is in seconds.

    Raises:
        TargetError: when the server cannot be reached, answers with an error, or sends no JSON.
    """
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
    data = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(url, data=data, headers=headers)
        with _opener(url).open(request, timeout=timeout) as response:
            return json.loads(response.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            raise TargetError(f"{url} answered HTTP {error.code}: {_detail(error)}") from error
    except urllib.error.URLError as error:
        raise TargetError(f"{url} cannot be reached: {error.reason}") from error
    except OSError as error:
        raise TargetError(f"{url} cannot be reached: {error}") from error
    except http.client.HTTPException as error:
        raise TargetError(f"{url} does not speak HTTP: {type(error).__name__}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise TargetError(f"{url} did not answer with JSON: {error}") from error


def checked_url(text: str, allowed: str, *, key: str = "EVALS_API_KEY", error: type[AgentError] = TargetError) -> str:
    """The URL of a server without its last slash. ``allowed`` begins the sentence that says what may be given, and ``key`` is the
    variable that a key belongs into.

    Raises:
        AgentError: the ``error``, when it is no such URL, or holds a password or a query string.
    """
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise error(f"{allowed} that begins with http:// or https://; this is {without_password(text)!r}.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise error(f"Leave passwords, query strings and fragments out of the URL; a key goes into {key}.")
    return parts.geturl().rstrip("/")


def without_password(text: str) -> str:
    """What was given for a URL, as an error may show it: whatever stands before an ``@`` may be a password."""
    _, at, shown = text.rpartition("@")
    return f"...{at}{shown}" if at else text


def is_loopback(url: str) -> bool:
    """Whether the URL names this machine."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def _opener(url: str) -> urllib.request.OpenerDirector:
    # A proxy set for the outside world must not swallow loopback.
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if is_loopback(url) else []))


def _detail(error: urllib.error.HTTPError) -> str:
    return " ".join(error.read(300).decode(errors="replace").split()) or str(error.reason)

"""The one door to a language model: streamed chat completions from any OpenAI-compatible server.

Only this module imports openai, and only when a model is first called.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

from agent.decoding import response_format
from agent.errors import ModelConnectionError, ModelError, ModelStatusError, ModelStreamError, ModelTimeoutError
from agent.prompts import Message
from agent.sampling import Sampling
from agent.stacks import Decoding

if TYPE_CHECKING:
    from openai import AsyncOpenAI

OnText = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Completion:
    """What one model call gave.

    Times are seconds from handing the request to the network, opening the connection included: ``ttft`` to the first non-empty
    content (``None`` when there was none), ``latency`` to the end of the stream. Token counts are the server's own;
    ``cached_tokens`` is ``None`` when the server does not report it, which is not zero. ``finish_reason`` is ``"stop"``,
    ``"length"`` or what else the server says. ``server_prefill`` is how long the server says that it took for the prompt
    (llama.cpp's ``timings.prompt_ms``); ``None`` where it does not say. A model that thinks first streams its ``reasoning`` apart;
    ``first_token`` is then earlier than ``ttft``, and otherwise the same.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None
    ttft: float | None
    latency: float
    finish_reason: str
    text: str
    server_prefill: float | None = None
    first_token: float | None = None
    reasoning: str = ""

    @property
    def prefill(self) -> float:
        """Seconds to the first token, of reasoning or of the answer; the whole latency when none came."""
        return self.latency if self.first_token is None else self.first_token

    @property
    def decode(self) -> float:
        """Seconds from the first token to the end of the stream."""
        return self.latency - self.prefill

    @property
    def decoded_tokens(self) -> int:
        """The tokens that :attr:`decode` was spent on: all but the first one, which ends the prefill."""
        return 0 if self.first_token is None else max(self.completion_tokens - 1, 0)

    @property
    def decode_speed(self) -> float | None:
        """Decoded tokens a second; ``None`` for an answer of fewer than two tokens, or one that came at once."""
        return self.decoded_tokens / self.decode if self.decoded_tokens and self.decode > 0 else None


class ChatModel(Protocol):
    """Whatever answers chat messages."""

    def complete(
        self, messages: Sequence[Message], sampling: Sampling, on_text: OnText | None = None, decoding: Decoding = "free"
    ) -> Completion:
        """Answer the messages, calling ``on_text`` with each piece of text as it arrives. The server is asked to hold the answer to
        ``decoding``; whether it does is seen in the answer alone.

        Raises:
            ModelError: for every fault of the server or the network.
        """
        ...


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds: to connect, between two reads, and for a whole call."""

    connect: float = 5.0
    read: float = 120.0
    deadline: float = 300.0


MOST_CHARACTERS = 4_000_000
"""The longest answer that is taken: far more than any limit of tokens allows."""


@dataclass(slots=True)
class _Stream:
    """What has come of a stream so far."""

    started: float = field(default_factory=time.perf_counter)
    sent: bool = False
    first_token: float | None = None
    ttft: float | None = None
    finish_reason: str | None = None
    usage: Any = None
    timings: Any = None
    pieces: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    characters: int = 0

    @property
    def text(self) -> str:
        return without_lone_surrogates("".join(self.pieces))


class OpenAIModel:
    """A model behind an OpenAI-compatible URL, by the ``openai`` package. Close it, or use it in a ``with`` block.

    There are no hidden retries, since they would falsify a latency. The asynchronous client is used because only cancelling
    enforces an overall deadline at every moment. Every call opens a connection of its own, so that none is quicker, or fails,
    because of the one before: llama.cpp's server hung up on 22 and 38 of 150 requests over a reused one.
    """

    def __init__(self, base_url: str, name: str, *, api_key: str = "", timeouts: Timeouts | None = None) -> None:
        self.base_url = base_url
        self.name = name
        self._api_key = api_key
        self._timeouts = timeouts or Timeouts()
        self._runner = asyncio.Runner()
        self._client: AsyncOpenAI | None = None
        self._stream = _Stream()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            self._runner.run(self._client.close())
            self._client = None
        self._runner.close()

    def complete(
        self, messages: Sequence[Message], sampling: Sampling, on_text: OnText | None = None, decoding: Decoding = "free"
    ) -> Completion:
        """See :meth:`ChatModel.complete`."""
        if self._client is None:
            self._client = self._open_client()
        self._stream = stream = _Stream()
        try:
            with _faults_mapped(self.base_url, self._timeouts):
                body = _body(self.name, messages, sampling, decoding)
                return self._runner.run(self._completion(self._client, stream, body, on_text))
        except ModelError as error:
            error.text = stream.text
            raise

    def _open_client(self) -> AsyncOpenAI:
        import httpx2
        import openai

        async def restart_clock(_: object) -> None:
            # What openai takes to build the request is no time of the server's; what a redirect takes is.
            if not self._stream.sent:
                self._stream.started, self._stream.sent = time.perf_counter(), True

        timeouts = self._timeouts
        return openai.AsyncOpenAI(
            base_url=self.base_url,
            api_key=self._api_key or "none",
            max_retries=0,
            default_headers={"Connection": "close"},
            http_client=openai.DefaultAsyncHttpxClient(event_hooks={"request": [restart_clock]}),
            timeout=httpx2.Timeout(min(timeouts.read, timeouts.deadline), connect=timeouts.connect),
        )

    async def _completion(self, client: AsyncOpenAI, stream: _Stream, body: dict[str, Any], on_text: OnText | None) -> Completion:
        from openai import AsyncStream
        from openai.types.chat import ChatCompletionChunk

        async with asyncio.timeout(self._timeouts.deadline):
            # What chat.completions.create() calls, without its walk over all messages, which takes longer than all the rest.
            chunks = await client.post(
                "/chat/completions",
                body=body,
                cast_to=ChatCompletionChunk,
                stream=True,
                stream_cls=AsyncStream[ChatCompletionChunk],
            )
            async with chunks:
                with _drops_mapped(self.base_url):
                    async for chunk in chunks:
                        _take(stream, chunk, on_text)
        return _finished(stream, latency=time.perf_counter() - stream.started)


def _body(model: str, messages: Sequence[Message], sampling: Sampling, decoding: Decoding) -> dict[str, Any]:
    return {
        "model": model,
        "messages": [message.to_dict() for message in messages],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
        "stream": True,
        "stream_options": {"include_usage": True},
    } | response_format(decoding)


def _take(stream: _Stream, chunk: Any, on_text: OnText | None) -> None:
    if chunk.usage:
        stream.usage, stream.timings = chunk.usage, (chunk.model_extra or {}).get("timings")
    for choice in chunk.choices[:1]:
        stream.finish_reason = choice.finish_reason or stream.finish_reason
        if thought := _reasoning(choice.delta):
            _mark_first_token(stream)
            _keep(stream, stream.thoughts, thought)
        if text := choice.delta.content:
            _mark_first_token(stream)
            if stream.ttft is None:
                stream.ttft = time.perf_counter() - stream.started if stream.thoughts else stream.first_token
            _keep(stream, stream.pieces, text)
            if on_text is not None:
                on_text(text)


def _reasoning(delta: Any) -> str:
    """What the model thinks: Ollama streams it as ``reasoning``, llama.cpp and vLLM as ``reasoning_content``."""
    extra = delta.model_extra or {}
    thought = extra.get("reasoning_content") or extra.get("reasoning")
    return thought if isinstance(thought, str) else ""


def _mark_first_token(stream: _Stream) -> None:
    if stream.first_token is None:
        stream.first_token = time.perf_counter() - stream.started


def _keep(stream: _Stream, pieces: list[str], text: str) -> None:
    stream.characters += len(text)
    pieces.append(text)
    if stream.characters > MOST_CHARACTERS:
        raise ModelStreamError(f"the answer is longer than {MOST_CHARACTERS:,} characters: the server does not end it")


def _finished(stream: _Stream, latency: float) -> Completion:
    if not isinstance(stream.finish_reason, str) or not stream.finish_reason:
        raise ModelStreamError("the stream ended without a finish reason: the server stopped in the middle of its answer")
    if stream.usage is None:
        raise ModelStreamError("the stream ended without token usage, although stream_options.include_usage was sent")
    cached = _cached_tokens(stream)
    return Completion(
        prompt_tokens=_count(stream.usage.prompt_tokens, "prompt_tokens"),
        completion_tokens=_count(stream.usage.completion_tokens, "completion_tokens"),
        cached_tokens=None if cached is None else _count(cached, "cached_tokens"),
        ttft=stream.ttft,
        latency=latency,
        finish_reason=without_lone_surrogates(stream.finish_reason),
        text=stream.text,
        server_prefill=_server_prefill(stream.timings),
        first_token=stream.first_token,
        reasoning=without_lone_surrogates("".join(stream.thoughts)),
    )


def _cached_tokens(stream: _Stream) -> Any:
    """As OpenAI reports them, or else as llama.cpp's ``timings.cache_n``, which some of its versions have alone."""
    cached = getattr(getattr(stream.usage, "prompt_tokens_details", None), "cached_tokens", None)
    return stream.timings.get("cache_n") if cached is None and isinstance(stream.timings, dict) else cached


def _server_prefill(timings: Any) -> float | None:
    milliseconds = timings.get("prompt_ms") if isinstance(timings, dict) else None
    is_duration = isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool) and 0 <= milliseconds < math.inf
    return milliseconds / 1000 if is_duration and milliseconds is not None else None


def without_lone_surrogates(text: str) -> str:
    """The text with half characters joined where they belong together, and replaced where they stand alone."""
    # A server may escape each half of a surrogate pair by itself, even in two chunks. A half alone could not be sent back.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _count(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ModelStreamError(f"the server's usage holds {name} = {value!r}, which is not a count")
    return value


@contextlib.contextmanager
def _faults_mapped(base_url: str, timeouts: Timeouts) -> Iterator[None]:
    """Turn whatever openai, its transport or a malformed stream raises into the agent's own tree."""
    import httpx2
    import openai

    try:
        yield
    except ModelError:
        raise
    except TimeoutError as error:
        raise ModelTimeoutError(f"{base_url} had not finished after {timeouts.deadline:g} s, the deadline of a call") from error
    except (openai.APITimeoutError, httpx2.TimeoutException) as error:
        raise ModelTimeoutError(f"{base_url} was silent for too long ({_cause(error)}; {timeouts})") from error
    except openai.APIConnectionError as error:
        raise ModelConnectionError(f"{base_url} cannot be reached: {_cause(error)}") from error
    except openai.APIStatusError as error:
        raise ModelStatusError(
            f"{base_url} answered HTTP {error.status_code}: {error.message}", status=error.status_code
        ) from error
    except openai.APIError as error:
        raise ModelStreamError(f"{base_url} sent an error in the stream: {error.message}") from error
    except httpx2.HTTPError as error:
        raise ModelStreamError(f"{base_url} dropped the stream: {error}") from error
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise ModelStreamError(f"{base_url} sent a malformed stream: {error}") from error


@contextlib.contextmanager
def _drops_mapped(base_url: str) -> Iterator[None]:
    """Turn a connection lost after the answer began into the stream's own error: openai has one exception for both."""
    import openai

    try:
        yield
    except openai.APITimeoutError:
        raise
    except openai.APIConnectionError as error:
        raise ModelStreamError(f"{base_url} dropped the stream: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    """The innermost reason: openai wraps the one that helps."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__

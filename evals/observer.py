"""The model as a run observes it: what was sent, how it met the cache, how long it took, and whether anything was dropped."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from agent.errors import ContextTruncationError
from agent.model import ChatModel, Completion, OnText
from agent.prompts import Message
from agent.sampling import Sampling
from agent.stacks import Decoding
from evals.schedule import Regime
from evals.truncation import TruncationWatch

NONCE_DIGITS = 12


def draw_nonce() -> str:
    """Random digits, always equally many: most tokenizers take digits one by one or in threes, so the tokens are as many, too."""
    return f"{secrets.randbelow(10**NONCE_DIGITS):0{NONCE_DIGITS}}"


@dataclass(slots=True)
class Call:
    """One call: exactly what was sent, how it met the cache, and its seconds, whether it ended well or not."""

    messages: tuple[Message, ...]
    cache: Regime
    seconds: float = 0.0


@dataclass(slots=True)
class ObservedModel:
    """A chat model that keeps its ``calls`` since :meth:`begin`; in the cold regime it puts a new nonce before every prompt."""

    model: ChatModel
    watch: TruncationWatch
    nonce: Callable[[], str] = draw_nonce
    calls: list[Call] = field(default_factory=list)
    _regime: Regime = "warm"
    _cache_unknown: bool = False

    def begin(self, regime: Regime) -> None:
        """Forget the calls so far and go on in ``regime``."""
        self.calls.clear()
        self._regime = regime

    def doubt_cache(self) -> None:
        """Have the next call count as cold: after a fault nobody knows what the server still holds."""
        self._cache_unknown = True

    def complete(
        self, messages: Sequence[Message], sampling: Sampling, on_text: OnText | None = None, decoding: Decoding = "free"
    ) -> Completion:
        """See :meth:`agent.model.ChatModel.complete`.

        Raises:
            ContextTruncationError: when the server dropped a part of the prompt.
        """
        sent = with_nonce(messages, self.nonce()) if self._regime == "cold" else tuple(messages)
        call = Call(sent, "cold" if self._cache_unknown else self._regime)
        self.calls.append(call)
        self._cache_unknown = False
        started = time.perf_counter()
        try:
            completion = self.model.complete(sent, sampling, on_text, decoding)
        finally:
            call.seconds = time.perf_counter() - started
        try:
            self.watch.check(messages, self._regime, completion, sampling)
        except ContextTruncationError as error:
            error.text = completion.text
            raise
        return completion


def with_nonce(messages: Sequence[Message], nonce: str) -> tuple[Message, ...]:
    """The messages with the nonce, on a line of its own, as the very first text."""
    first, *rest = messages
    return (replace(first, content=f"{nonce}\n{first.content}"), *rest)

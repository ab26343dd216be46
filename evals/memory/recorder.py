"""A model that answers nothing of its own and keeps what it was sent: what is looked at is the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.artifact import Artifact
from agent.model import ChatModel, Completion, OnText
from agent.prompts import Message
from agent.sampling import Sampling
from agent.stacks import Decoding

_ANSWER = Artifact("x = 1\n", "py", "a.py", "One.").to_json()


@dataclass(slots=True)
class Recorder:
    """A chat model that keeps the messages of every call, and passes them on to another model where there is one."""

    model: ChatModel | None = None
    sent: list[tuple[Message, ...]] = field(default_factory=list)

    def complete(
        self, messages: Sequence[Message], sampling: Sampling, on_text: OnText | None = None, decoding: Decoding = "free"
    ) -> Completion:
        """See :meth:`agent.model.ChatModel.complete`."""
        self.sent.append(tuple(messages))
        if self.model is not None:
            return self.model.complete(messages, sampling, on_text, decoding)
        return Completion(1, 1, None, ttft=0.0, latency=0.0, finish_reason="stop", text=_ANSWER)

    @property
    def text(self) -> str:
        """All messages of all calls, one after the other."""
        return "\n".join(message.content for messages in self.sent for message in messages)

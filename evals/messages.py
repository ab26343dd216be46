"""The messages of a run, each distinct one kept once, under the hash of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.prompts import Message


def message_hash(message: Message) -> str:
    """The first 128 bits of SHA-256 over role and content, as 32 hexadecimal digits."""
    return hashlib.sha256(f"{message.role}\x1f{message.content}".encode()).hexdigest()[:32]


@dataclass(slots=True)
class MessageStore:
    """Messages by their hashes, and which of them nobody has written down yet."""

    known: dict[str, Message] = field(default_factory=dict)
    _new: list[str] = field(default_factory=list)

    def add(self, messages: Iterable[Message]) -> tuple[str, ...]:
        """Keep the messages and return their hashes, in order."""
        return tuple(map(self._added, messages))

    def take_new(self) -> dict[str, Message]:
        """The messages that were added since the last call of this."""
        new = {name: self.known[name] for name in self._new}
        self._new.clear()
        return new

    def _added(self, message: Message) -> str:
        name = message_hash(message)
        if name not in self.known:
            self.known[name] = message
            self._new.append(name)
        return name

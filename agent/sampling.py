"""Sampling parameters: always sent, always recorded, and seeded so that both stacks draw the same seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sampling:
    """What is sent with every request. Left out, servers choose their own: Ollama takes 1.0 for both of the first two."""

    temperature: float = 0.2
    top_p: float = 0.95
    max_tokens: int = 1024
    seed: int = 0


def derive_seed(run_seed: int, task: str, epoch: int) -> int:
    """A seed from 0 to 2**31 - 1 that depends on run, task and epoch alone, so it is equal across stacks."""
    digest = hashlib.sha256(f"{run_seed}\x1f{task}\x1f{epoch}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1

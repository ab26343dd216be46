"""The embedder behind memory: a model on an OpenAI-compatible server."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Embedder:
    """Where texts become vectors of ``dimensions`` numbers; ``digest`` is that of its weights, ``None`` where nobody tells."""

    base_url: str
    model: str
    dimensions: int
    api_key: str = field(default="", repr=False)
    digest: str | None = None

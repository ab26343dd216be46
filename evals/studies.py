"""Studies: named questions, each a choice of stacks, regimes and order that answers it."""

from __future__ import annotations

from dataclasses import dataclass

from agent.stacks import ABLATION_STACKS, GROWTH_STACKS, PREFIX_STACKS
from evals.schedule import REGIMES, Order, Regime


@dataclass(frozen=True, slots=True)
class Study:
    """What a run consists of that is to answer one question; ``question`` is that, for people.

    Where it ``ends_with_context``, stacks whose prompts do not fit into the server's context are left out and do not end the run.
    """

    question: str
    stacks: tuple[str, ...]
    regimes: tuple[Regime, ...] = ("warm",)
    order: Order = "alternating"
    ends_with_context: bool = False


GROWTH, PREFIX_CACHE = "growth", "prefix-cache"

STUDIES = {
    "ablation": Study("which ingredient makes the difference: every factor is changed alone, from both ends", ABLATION_STACKS),
    GROWTH: Study("what a longer history and more memories cost", GROWTH_STACKS, REGIMES, "blocked", ends_with_context=True),
    PREFIX_CACHE: Study("what the server's prefix cache saves, by the place of the contract", PREFIX_STACKS, REGIMES, "blocked"),
}
"""Every study by its name, which is its option, too."""

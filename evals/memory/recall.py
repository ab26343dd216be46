"""Recall and precision of a few facts, and what they would be by chance: nearly as many places as facts make both easy."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

from agent.memory import MOST_FACTS


def recall(facts: Collection[str], relevant: Collection[str]) -> float:
    """The share of the relevant facts that are among ``facts``; 1 when none is relevant."""
    return len(set(facts) & set(relevant)) / len(set(relevant)) if relevant else 1.0


def precision(facts: Collection[str], relevant: Collection[str]) -> float:
    """The share of ``facts`` that are relevant; 0 without any."""
    return len(set(facts) & set(relevant)) / len(set(facts)) if facts else 0.0


def recall_by_chance(stored: int, places: int = MOST_FACTS) -> Fraction:
    """The expected recall of ``places`` facts drawn at random from ``stored``, however many of these are relevant."""
    return Fraction(min(places, stored), stored)


def chance_of_recall(relevant: Sequence[int], stored: int, reached: float, places: int = MOST_FACTS) -> float:
    """The probability that facts drawn at random, anew for every task, reach a mean recall of ``reached`` or more; ``relevant``
    are the numbers of relevant facts of the tasks.
    """
    whole = math.lcm(*(max(count, 1) for count in relevant))
    sums: Mapping[int, float] = {0: 1.0}
    for count in relevant:
        drawn = _drawn(count, stored, min(places, stored))
        grown: defaultdict[int, float] = defaultdict(float)
        for (total, chance), (found, likely) in itertools.product(sums.items(), drawn.items()):
            grown[total + (found * whole // count if count else whole)] += chance * likely
        sums = grown
    # A mean that was computed in floats may lie a hair above the very sum that it stands for.
    return min(1.0, math.fsum(chance for total, chance in sums.items() if total >= (reached - 1e-9) * whole * len(relevant)))


def best_fixed_recall(relevant: Sequence[Collection[str]], stored: Collection[str], places: int = MOST_FACTS) -> float:
    """The mean recall of the best choice that is the same for every task, chosen with hindsight."""
    choices = itertools.combinations(sorted(stored), min(places, len(stored)))
    return max(statistics.fmean(recall(choice, facts) for facts in relevant) for choice in choices)


def precision_by_chance(stored: int, relevant: int) -> Fraction:
    """The expected precision of facts drawn at random from ``stored``, of which ``relevant`` are relevant, however many."""
    return Fraction(relevant, stored)


def best_precision(relevant: int, places: int = MOST_FACTS) -> Fraction:
    """The precision when every relevant fact is found and all places are taken."""
    return Fraction(min(relevant, places), places)


def _drawn(relevant: int, stored: int, places: int) -> dict[int, float]:
    """How many of the relevant facts a random choice holds, with the probability of each number."""
    ways = {
        found: math.comb(relevant, found) * math.comb(stored - relevant, places - found)
        for found in range(min(relevant, places) + 1)
    }
    return {found: count / math.comb(stored, places) for found, count in ways.items() if count}

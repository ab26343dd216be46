"""Evidence that may be looked at after every task: e-values, which stay valid however often one looks and whenever one stops.

An e-value is the capital of a gambler who bets against a hypothesis and starts with 1. Under the hypothesis it ever reaches 1/a
with a probability of at most a (Ville, Étude critique de la notion de collectif, 1939). Here the gambler stakes a fixed share of
what can be lost, and shares from 0 to all are mixed evenly: the betting of Waudby-Smith and Ramdas, Journal of the Royal
Statistical Society B 86 (2024), with a mixture in place of a strategy.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

_NODES = 64


def excess_evidence(values: Sequence[float], margin: float) -> float:
    """The evidence against "the mean is at most ``margin``", for values from -1 to 1 in the order in which they came.

    For a margin of 0 and values of -1 and 1 it is the mixture e-value of a sign test: seven 1 give 255/8.

    Raises:
        ValueError: unless 0 <= margin < 1.
    """
    if not 0 <= margin < 1:
        raise ValueError(f"a margin is from 0 to 1; this is {margin}")
    return _capital([(value - margin) / (1 + margin) for value in values])


def shortfall_evidence(values: Sequence[float], margin: float) -> float:
    """The evidence against "the mean is ``margin`` or more".

    Raises:
        ValueError: unless 0 <= margin < 1.
    """
    if not 0 <= margin < 1:
        raise ValueError(f"a margin is from 0 to 1; this is {margin}")
    return _capital([(margin - value) / (1 - margin) for value in values])


def _capital(gains: Sequence[float]) -> float:
    """The mean over the stakes of what is left after all bets; no gain is below -1."""
    import numpy as np

    stakes, weights = _mixture()
    capital: Any = np.ones(_NODES)
    for gain in gains:
        capital = capital * (1 + stakes * gain)
    return float(capital @ weights)


@functools.cache
def _mixture() -> tuple[Any, Any]:
    """Stakes from 0 to 1 and their weights, which add up to 1: Gauss and Legendre's, exact for up to 127 bets."""
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return (nodes + 1) / 2, weights / 2

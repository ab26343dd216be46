"""Statistics on the outcomes of trials. The task is the unit: epochs of one task are no independent evidence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from agent.errors import NO_FAULT_OF_THE_MODEL, Rung
from evals.obeyed import obeys
from evals.trials import Trial, by_task

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Goal:
    """What an answer should reach: a rung of the ladder, after the retry or already at the first try. With ``obeys`` it must
    violate none of the preferences that apply to its task, too.
    """

    rung: Rung = "schema-valid"
    first_try: bool = False
    obeys: bool = False

    def __str__(self) -> str:
        """What it is called in tables."""
        if self.obeys:
            return "obeyed"
        return f"{'valid' if self.rung == 'schema-valid' else self.rung} at first try" if self.first_try else self.rung

    def reached(self, trial: Trial, *, excused: bool = False) -> bool:
        """Whether a trial without a fault reached it; with ``excused`` also when something else than the model kept it from
        that (:data:`agent.errors.NO_FAULT_OF_THE_MODEL`), so that nobody knows whether it would have.
        """
        outcome = (trial.first if self.first_try else trial.last).outcome
        if outcome.reached(self.rung):
            return not self.obeys or obeys(trial)
        return excused and outcome.cause in NO_FAULT_OF_THE_MODEL


VALID = Goal()


@dataclass(frozen=True, slots=True)
class Share:
    """The share of one stack's answers that reached a goal, with its interval at :data:`CONFIDENCE`.

    ``value`` is the mean over ``tasks`` tasks of the mean over ``epochs`` epochs.
    """

    value: float
    low: float
    high: float
    tasks: int
    epochs: int

    def __str__(self) -> str:
        """The share with its interval, in percent."""
        return f"{self.value:.0%} [{self.low:.0%}, {self.high:.0%}]"


def clopper_pearson(successes: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact two-sided interval for a binomial share.

    Clopper and Pearson, Biometrika 26 (1934), by quantiles of the beta distribution.

    Raises:
        ValueError: unless 0 <= successes <= n, n >= 1 and 0 < confidence < 1.
    """
    if not (0 <= successes <= n and n >= 1 and 0 < confidence < 1):
        raise ValueError(f"no interval for {successes} successes in {n} at confidence {confidence}")
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = float(betaincinv(successes, n - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0
    return low, high


def hoeffding(share: float, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """A two-sided interval for the mean of ``n`` independent values from 0 to 1 whose average is ``share``.

    Hoeffding, Journal of the American Statistical Association 58 (1963), equation (2.1): an average of at least ``share`` has at
    most the probability exp(-n KL(share, mean)). It holds for every n and every distribution on 0 to 1, so it may be used for
    rates over epochs, whatever these have in common. When all values are 1, or all 0, it equals :func:`clopper_pearson`.

    Raises:
        ValueError: unless 0 <= share <= 1, n >= 1 and 0 < confidence < 1.
    """
    if not (0 <= share <= 1 and n >= 1 and 0 < confidence < 1):
        raise ValueError(f"no interval for an average of {share} over {n} values at confidence {confidence}")
    from scipy.optimize import brentq

    allowed = -math.log((1 - confidence) / 2) / n

    def excess(mean: float) -> float:
        return _kullback_leibler(share, mean) - allowed

    edge = 1e-12
    low = float(brentq(excess, edge, share)) if share > edge and excess(edge) > 0 else 0.0
    high = float(brentq(excess, share, 1 - edge)) if share < 1 - edge and excess(1 - edge) > 0 else 1.0
    return low, high


def valid_share(trials: Iterable[Trial], goal: Goal = VALID, *, excused_is_valid: bool = False) -> Share:
    """The share of answers that reached ``goal`` (schema-valid after the retry), among trials without a fault. An answer that
    something else than the model spoiled did not, unless ``excused_is_valid`` asks for the most that the share could have been
    without that.

    With one epoch every task is one yes or no, and the interval is :func:`clopper_pearson`'s; with several, a task is a rate, and
    the interval is :func:`hoeffding`'s.

    Raises:
        ValueError: without a trial.
    """
    answered = [trial for trial in trials if trial.fault is None]
    rates = task_rates(answered, goal, excused_is_valid=excused_is_valid)
    epochs = max(Counter(trial.task for trial in answered).values(), default=0)
    return share_of(sum(rates) / len(rates) if rates else 0.0, len(rates), epochs)


def task_rates(trials: Iterable[Trial], goal: Goal = VALID, *, excused_is_valid: bool = False) -> list[float]:
    """For every task the share of its epochs whose answer reached ``goal``; see :func:`valid_share`."""
    return [sum(reached) / len(reached) for reached in reached_by_task(trials, goal, excused=excused_is_valid).values()]


def reached_by_task(trials: Iterable[Trial], goal: Goal, *, excused: bool = False) -> dict[str, list[bool]]:
    """For every task, whether each of its trials (none with a fault) reached ``goal``; see :meth:`Goal.reached`."""
    return {task: [goal.reached(trial, excused=excused) for trial in tried] for task, tried in by_task(trials).items()}


def floor_p(share: Share, floor: float) -> float:
    """The one-sided p-value of "the share is at least ``floor``": the exact binomial one for one epoch, and for several that of
    :func:`hoeffding`'s inequality.
    """
    if share.value >= floor:
        return 1.0
    if share.epochs > 1:
        return math.exp(-share.tasks * _kullback_leibler(share.value, floor))
    from scipy.special import bdtr

    return float(bdtr(round(share.value * share.tasks), share.tasks, floor))


def share_of(value: float, tasks: int, epochs: int) -> Share:
    """A share with the interval that fits its number of epochs.

    Raises:
        ValueError: for a share or numbers that cannot be.
    """
    low, high = clopper_pearson(round(value * tasks), tasks) if epochs == 1 else hoeffding(value, tasks)
    return Share(value, low, high, tasks, epochs)


def _kullback_leibler(share: float, mean: float) -> float:
    """The divergence of a coin with ``mean`` from one with ``share``, in nats."""
    first = share * math.log(share / mean) if share > 0 else 0.0
    second = (1 - share) * math.log((1 - share) / (1 - mean)) if share < 1 else 0.0
    return first + second

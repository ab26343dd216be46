"""Why is one stack slower? Its difference in latency, split into what it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.model import Completion
from evals.trials import Trial


@dataclass(frozen=True, slots=True)
class LatencySplit:
    """The mean difference in latency over ``pairs`` of trials, in seconds a trial, and the four parts that it is the sum of.

    ``prefill`` is the time to the first token of the first attempts, ``output_length`` and ``decode_speed`` share their decode
    time, and ``retry`` is the latency of all corrective retries.
    """

    pairs: int
    prefill: float
    output_length: float
    decode_speed: float
    retry: float

    @property
    def total(self) -> float:
        """The whole difference."""
        return self.prefill + self.output_length + self.decode_speed + self.retry


def split_latency(reference: Sequence[Trial], other: Sequence[Trial]) -> LatencySplit | None:
    """How much longer a trial of ``other`` takes than the same task and epoch of ``reference``, and why; negative where it is
    shorter. ``None`` without a pair whose times belong to the same regime.
    """
    timed = {(trial.epoch, trial.task, trial.regime): trial for trial in reference if trial.timed}
    pairs = [(timed[key], trial) for trial in other if trial.timed and (key := (trial.epoch, trial.task, trial.regime)) in timed]
    if not pairs:
        return None
    parts = [_parts(first, second) for first, second in pairs]
    return LatencySplit(len(pairs), *(sum(part) / len(pairs) for part in zip(*parts, strict=True)))


def _parts(reference: Trial, other: Trial) -> tuple[float, float, float, float]:
    first, second = reference.first.completion, other.first.completion
    length, speed = decode_parts(first, second)
    retry = (other.latency - second.latency) - (reference.latency - first.latency)
    return second.prefill - first.prefill, length, speed, retry


def decode_parts(first: Completion, second: Completion) -> tuple[float, float]:
    """The difference in decode time, as what is due to the number of tokens and what to the seconds for each.

    Decode time is a product, tokens times seconds a token; each factor's change is weighted with the mean of the other factor, so
    that nothing is left over (Kitagawa, Journal of the American Statistical Association 50, 1955, page 1168 and following). Where
    an answer has no decoded token there is no speed, and all is due to the length.
    """
    if not first.decoded_tokens or not second.decoded_tokens:
        return second.decode - first.decode, 0.0
    slow, slower = first.decode / first.decoded_tokens, second.decode / second.decoded_tokens
    length = (second.decoded_tokens - first.decoded_tokens) * (slow + slower) / 2
    speed = (slower - slow) * (first.decoded_tokens + second.decoded_tokens) / 2
    return length, speed

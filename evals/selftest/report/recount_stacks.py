"""The figures of the table of stacks, computed once more from the JSON of a saved run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evals.selftest.report import recount
from evals.selftest.report.read_twice import obeys
from evals.selftest.report.recount import Trial, percent, reaches


def prefill(call: dict[str, Any]) -> float:
    """The seconds to the first token of a call, or all of them where none came."""
    return float(call["latency"] if call["first_token"] is None else call["first_token"])


def decoded(call: dict[str, Any]) -> tuple[float, float]:
    """The tokens of a call after the first one, and the seconds that they took."""
    return (0.0 if call["first_token"] is None else max(call["completion_tokens"] - 1, 0)), call["latency"] - prefill(call)


def cached(trial: Trial) -> float | None:
    """The prompt tokens that came from the cache, where the server says so and the cache was met as the regime says."""
    tokens: float | None = recount.first(trial)["cached_tokens"]
    return tokens if recount.is_timed(trial) else None


def decode_speed(trial: Trial) -> float | None:
    """The tokens a second that the first call decoded, where times count."""
    tokens, seconds = decoded(recount.first(trial))
    return tokens / seconds if recount.is_timed(trial) and tokens and seconds else None


def at(value: recount.Value, percentage: int) -> Callable[[list[Trial]], float | None]:
    """A percentile of what trials have."""

    def found(trials: list[Trial]) -> float | None:
        values = recount.values_of(trials, value)
        return float(np.percentile(values, percentage)) if values else None

    return found


def part(holds: Callable[[Trial], bool]) -> Callable[[list[Trial]], float | None]:
    """The share of trials of which something holds."""
    return lambda trials: sum(map(holds, trials)) / len(trials)


def seconds_each(trials: list[Trial]) -> float | None:
    """The seconds of all trials whose times count, for each valid answer among them."""
    return recount.price([trial for trial in trials if recount.is_timed(trial)], recount.whole_latency)


def whole(number: float) -> str:
    """A number without decimals."""
    return f"{number:,.0f}"


def whole_milliseconds(seconds: float) -> str:
    """A time in whole milliseconds."""
    return f"{1000 * seconds:,.0f} ms"


def fine_milliseconds(seconds: float) -> str:
    """A time in milliseconds with a decimal."""
    return f"{1000 * seconds:,.1f} ms"


SUMMARY: dict[str, tuple[Callable[[list[Trial]], float | None], Callable[[float], str], bool]] = {
    "trials (n)": (len, whole, False),
    "prompt tokens, median": (at(recount.prompt_tokens, 50), whole, True),
    "of them cached, median": (at(cached, 50), whole, False),
    "TTFT p50": (at(recount.ttft, 50), whole_milliseconds, True),
    "TTFT p95": (at(recount.ttft, 95), whole_milliseconds, True),
    "decode tokens/s p50": (at(decode_speed, 50), whole, True),
    "latency p50": (at(recount.latency, 50), whole_milliseconds, True),
    "latency p95": (at(recount.latency, 95), whole_milliseconds, True),
    "memory look-up p50": (at(recount.retrieval, 50), fine_milliseconds, False),
    "strict JSON at first try": (part(reaches("strict JSON", 0)), percent, True),
    "valid at first try": (part(reaches("schema-valid", 0)), percent, True),
    "valid after retry": (part(reaches("schema-valid")), percent, True),
    "code parses after retry": (part(reaches("code parses")), percent, True),
    "obeys every preference": (part(obeys), percent, True),
    "seconds per valid answer": (seconds_each, whole_milliseconds, True),
    "tokens per valid answer": (recount.price, whole, True),
}
"""By title the value of a stack's trials, how it is written, and whether the ratio of the stacks stands beside it."""


def cause(trial: Trial, attempt: int) -> str | None:
    """What kept an answer from the next rung."""
    outcome = trial["attempts"][attempt]["outcome"]
    elsewhere = outcome["cause"] == "other" and outcome["declared"] not in (None, outcome["language"])
    found: str | None = "other: not the language asked for" if elsewhere else outcome["cause"]
    return found

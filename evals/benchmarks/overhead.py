"""What the suite adds to a call: a live session against a bare ``openai`` loop that sends the same requests, call by call."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from evals.benchmarks.known_server import CHUNKS, known_server
from evals.distribution import percentile

if TYPE_CHECKING:
    from openai import OpenAI

    from evals.live import LiveRun
    from evals.trials import Trial

EPOCHS = 15
UNCOUNTED = 10
"""Trials of each stack at the beginning that warm up both sides."""

_ROW = "{:10} {:>5} {:>10} {:>10} {:>10} {:>10} {:>6}"


@dataclass
class Interleaver:
    """A pytest plugin that times every trial with all that pytest and the suite do for it, and after it the bare loop.

    ``pairs`` holds both times by stack, in seconds.
    """

    base_url: str
    pairs: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    look_ups: list[float] = field(default_factory=list)
    run: LiveRun | None = None

    @functools.cached_property
    def client(self) -> OpenAI:
        """The bare client; openai must not be imported before pytest, which warns of that."""
        import openai

        return openai.OpenAI(base_url=self.base_url, api_key="none", max_retries=0)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Time the whole protocol of a trial's item, then the same requests by the bare loop."""
        started = time.perf_counter()
        result = yield
        took = time.perf_counter() - started
        planned = getattr(item, "callspec", None) and item.callspec.params.get("planned")  # type: ignore[attr-defined]
        if planned is not None and self.run is not None:
            trial = self.run.by_key[planned.key]
            look_up = trial.retrieval_seconds or 0.0
            self.pairs.setdefault(trial.stack, []).append((took - look_up, self._bare(self.run, trial)))
            self.look_ups += [look_up] if trial.retrieval_seconds else []
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Get hold of the open run."""
        arms = getattr(item, "funcargs", {}).get("arms")
        self.run = self.run if arms is None else arms.head
        return (yield)

    def _bare(self, run: LiveRun, trial: Trial) -> float:
        """The seconds that the trial's one request takes in a loop over openai's stream, and nothing else."""
        create: Any = self.client.chat.completions.create
        sampling = run.settings.sampling
        messages = [run.messages[name].to_dict() for name in trial.first.messages]
        started = time.perf_counter()
        stream = create(
            model=run.header.target.model,
            messages=messages,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            seed=trial.seed,
            stream=True,
            stream_options={"include_usage": True},
        )
        "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        return time.perf_counter() - started


def main() -> None:
    """Print the overhead."""
    with known_server() as url, tempfile.TemporaryDirectory() as folder:
        interleaver = Interleaver(f"{url}/v1")
        arguments = ["-m", "live", "--target", f"{url}/v1", "--embedder", f"{url}/v1#bag", "--epochs", str(EPOCHS)]
        quiet = ["-q", "--no-summary", "-p", "no:cacheprovider", f"--benchmark-storage=file://{folder}"]
        pytest.main(["evals/", *arguments, *quiet], plugins=[interleaver])
        interleaver.client.close()
    _report(interleaver)


def _report(measured: Interleaver) -> None:
    print(f"\nOverhead: calls of {CHUNKS} chunks each, every one made by the suite and then by a bare openai loop")
    print("(journal and fsync on; ladder, pytest and reporting included; memory look-ups apart)\n")
    print(_ROW.format("stack", "calls", "bare p50", "suite p50", "added p50", "added p95", "ratio"))
    for stack, pairs in measured.pairs.items():
        print(_ROW.format(*_row(stack, pairs[UNCOUNTED:])))
    print(
        f"\nratio: of the medians; memory look-up p50: {percentile(measured.look_ups, 0.5) * 1000:.2f} ms; goal: at most 3 ms added"
    )


def _row(stack: str, pairs: Sequence[tuple[float, float]]) -> tuple[str, ...]:
    suite, bare = [ours for ours, _ in pairs], [theirs for _, theirs in pairs]
    added = [ours - theirs for ours, theirs in pairs]
    figures = (percentile(bare, 0.5), percentile(suite, 0.5), percentile(added, 0.5), percentile(added, 0.95))
    return stack, str(len(pairs)), *(f"{seconds * 1000:.2f} ms" for seconds in figures), f"{figures[1] / figures[0]:.2f}"


if __name__ == "__main__":
    main()

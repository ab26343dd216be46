"""What the suite adds to a call: a live session against a bare ``openai`` loop that sends the same requests, call by call."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Iterator
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
UNCOUNTED = 20
"""Trials at the beginning that warm up both sides."""


@dataclass
class Interleaver:
    """A pytest plugin that times every trial with all that pytest and the suite do for it, and after it the bare loop."""

    base_url: str
    suite: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
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
            self.suite.append(took - look_up)
            self.bare.append(self._bare(self.run, trial))
            self.look_ups += [look_up] if trial.retrieval_seconds else []
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Get hold of the open run."""
        self.run = getattr(item, "funcargs", {}).get("live", self.run)
        return (yield)

    def _bare(self, run: LiveRun, trial: Trial) -> float:
        """The seconds that the trial's one request takes in a loop over openai's stream, and nothing else."""
        create: Any = self.client.chat.completions.create
        sampling = run.settings.sampling
        messages = [run.messages.known[name].to_dict() for name in trial.first.messages]
        started = time.perf_counter()
        stream = create(
            model=run.target.model,
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
        quiet = ["-q", "-p", "no:cacheprovider", f"--benchmark-storage=file://{folder}"]
        pytest.main(["evals/", *arguments, *quiet], plugins=[interleaver])
        interleaver.client.close()
    _report(interleaver)


def _report(measured: Interleaver) -> None:
    suite, bare = measured.suite[UNCOUNTED:], measured.bare[UNCOUNTED:]
    added = [ours - theirs for ours, theirs in zip(suite, bare, strict=True)]
    print(f"\nOverhead: {len(suite)} trials of one call with {CHUNKS} chunks each, interleaved with the bare openai loop")
    print("(journal and fsync on; ladder, pytest and reporting included; memory look-ups apart)\n")
    for title, values in (("bare openai loop", bare), ("the suite", suite), ("added to a call", added)):
        print(f"{title:18} median {percentile(values, 0.5) * 1000:6.2f} ms   p95 {percentile(values, 0.95) * 1000:6.2f} ms")
    print(f"{'look-up in memory':18} median {percentile(measured.look_ups, 0.5) * 1000:6.2f} ms")
    print(f"ratio of medians: {percentile(suite, 0.5) / percentile(bare, 0.5):.2f}; goal: at most 3 ms added")


if __name__ == "__main__":
    main()

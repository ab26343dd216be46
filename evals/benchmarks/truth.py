"""How true is the recorded TTFT? Against what the server itself says it took to its first token."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from agent.model import OpenAIModel
from agent.prompts import Message, build_messages
from agent.sampling import Sampling
from agent.stacks import DEFAULT_STACKS, STACKS
from agent.targets import embedded, engine
from agent.targets.http import fetch_json
from evals.benchmarks.known_server import known_server
from evals.distribution import percentile
from evals.schedule import choose_tasks
from evals.served import server_root
from fixtures.data import load_history, load_preferences

CALLS = 60
UNCOUNTED = 3
DELAYS = (5, 50, 500)
_ROW = "{:34} {:>5} {:>11} {:>11} {:>11} {:>7}"


def main() -> None:
    """Print the error of TTFT on the scripted server and on the embedded engine."""
    print("\nTruth: recorded TTFT minus the server's own time to its first token\n")
    print(_ROW.format("server and prompt", "calls", "TTFT p50", "error p50", "error p95", "ratio"))
    for row in (*_scripted_rows(), *_engine_rows()):
        print(_ROW.format(*row))
    print("\nratio: TTFT to the server's own time, medians; goal on an idle machine: an error of at most 2 ms (p50) and 5 ms (p95)")
    print("engine: its own clock begins after the template and the tokenizer; * adds what its endpoints for these two take")


def _scripted_rows() -> Iterator[tuple[str, ...]]:
    with known_server() as url, OpenAIModel(f"{url}/v1", "known") as model:
        for delay in DELAYS:
            calls = CALLS // 3 if delay > 100 else CALLS
            yield _row(f"scripted, {delay} ms delay", _measured(model, [(Message("user", f"delay={delay}"),)] * calls), 0.0)


def _engine_rows() -> Iterator[tuple[str, ...]]:
    with (
        engine.serve(embedded.MODEL_FILE, name=embedded.MODEL_NAME) as url,
        OpenAIModel(url, embedded.MODEL_NAME) as model,
    ):
        for name, prompts in _prompts().items():
            pairs = _measured(model, (prompts * CALLS)[:CALLS])
            yield _row(f"engine, {name}", pairs, 0.0)
            yield _row(f"engine, {name} *", pairs, _before_the_clock(server_root(url), prompts[0]))


def _prompts() -> dict[str, list[tuple[Message, ...]]]:
    history, facts = load_history(), [preference.text for preference in load_preferences()][:5]
    requests = [task.request for task in choose_tasks(None)]
    alone: list[tuple[Message, ...]] = [(Message("user", request),) for request in requests]
    by_stack = {
        stack.name: [build_messages(stack, request, history=history, facts=facts) for request in requests]
        for stack in (STACKS[name] for name in DEFAULT_STACKS)
    }
    return {"request alone": alone} | by_stack


def _measured(model: OpenAIModel, prompts: Sequence[tuple[Message, ...]]) -> list[tuple[float, float]]:
    """TTFT and the server's own time of every call, in seconds."""
    completions = [model.complete(prompt, Sampling(max_tokens=16)) for prompt in prompts][UNCOUNTED:]
    return [(done.ttft, done.server_prefill) for done in completions if done.ttft is not None and done.server_prefill is not None]


def _before_the_clock(root: str, prompt: Sequence[Message]) -> float:
    """Seconds that the engine takes for the template and the tokenizer, by its endpoints, without their round trips."""
    turns = [message.to_dict() for message in prompt]
    text = fetch_json(f"{root}/apply-template", {"messages": turns})["prompt"]
    template = _median_seconds(lambda: fetch_json(f"{root}/apply-template", {"messages": turns}))
    tokenizer = _median_seconds(lambda: fetch_json(f"{root}/tokenize", {"content": text}))
    return template + tokenizer - 2 * _median_seconds(lambda: fetch_json(f"{root}/health"))


def _median_seconds(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(30):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return median(seconds)


def _row(name: str, pairs: Sequence[tuple[float, float]], unseen: float) -> tuple[str, ...]:
    errors = [ttft - (server + unseen) for ttft, server in pairs]
    ttft, server = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs) + unseen
    shown = [f"{seconds * 1000:.2f} ms" for seconds in (ttft, percentile(errors, 0.5), percentile(errors, 0.95))]
    return name, str(len(pairs)), *shown, f"{ttft / server:.3f}"


if __name__ == "__main__":
    main()

"""What a long run costs: memory and time of a trial in live sessions of 100, 1,000 and 10,000 trials."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from evals.benchmarks.known_server import known_server
from evals.journal import read_journal

SIZES = (100, 1_000, 10_000)
TASKS = 10
ROOT = Path(__file__).parents[2]
_ROW = "{:>7} {:>9} {:>13} {:>13} {:>7} {:>12} {:>15} {:>13}"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a session cost: seconds, seconds a trial among its first and its last tenth, peak memory and saved bytes."""

    trials: int
    seconds: float
    first: float
    last: float
    peak_bytes: int
    saved_bytes: int


def main() -> None:
    """Print the cost of every size."""
    options = argparse.ArgumentParser(prog="python -m evals.benchmarks.growth", description=__doc__)
    options.add_argument("sizes", nargs="*", type=int, default=SIZES, help=f"trials, in tens (default: {SIZES})")
    print("\nGrowth: live sessions of one stack on an instant scripted server, journal and fsync on\n")
    print(_ROW.format("trials", "session", "trial, first", "trial, last", "ratio", "peak memory", "added a trial", "saved a trial"))
    smaller: Cost | None = None
    with known_server() as url:
        for size in options.parse_args().sizes:
            cost = _cost(url, size)
            print(_ROW.format(*_shown(cost, smaller)), flush=True)
            smaller = cost
    print("\nfirst and last: mean over the first and the last tenth of a session; added: peak memory over that of the row above")


def _cost(url: str, trials: int) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        storage = Path(folder)
        tasks = [argument for task in _tasks() for argument in ("--task", task)]
        asked = ["--target", f"{url}/v1", "--stack", "naive", "--epochs", str(trials // TASKS), *tasks]
        quiet = ["-q", "-p", "no:cacheprovider", f"--benchmark-storage=file://{folder}"]
        command = [sys.executable, "-m", "pytest", "evals/", "-m", "live", *asked, *quiet]
        started = time.perf_counter()
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:  # noqa: S603 - ours
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        (saved,), (journal,) = storage.glob("*/*.json"), storage.glob("journals/*.jsonl")
        first, last = _ends(journal)
        # Kilobytes on Linux, bytes on macOS.
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return Cost(trials, seconds, first, last, peak, saved.stat().st_size)


def _tasks() -> list[str]:
    from fixtures.data import load_tasks

    return [task.id for task in load_tasks()[:TASKS]]


def _ends(journal: Path) -> tuple[float, float]:
    """Mean seconds from one trial's beginning to the next one's, in the first and in the last tenth."""
    moments = [datetime.fromisoformat(trial.started) for trial in read_journal(journal).trials.values()]
    steps = [(after - before).total_seconds() for before, after in pairwise(moments)]
    tenth = max(1, len(steps) // 10)
    return sum(steps[:tenth]) / tenth, sum(steps[-tenth:]) / tenth


def _shown(cost: Cost, smaller: Cost | None) -> tuple[str, ...]:
    added = (cost.peak_bytes - smaller.peak_bytes) / (cost.trials - smaller.trials) if smaller else None
    return (
        f"{cost.trials:,}",
        f"{cost.seconds:.1f} s",
        f"{cost.first * 1000:.1f} ms",
        f"{cost.last * 1000:.1f} ms",
        f"{cost.last / cost.first:.2f}",
        f"{cost.peak_bytes / 2**20:.0f} MiB",
        "-" if added is None else f"{added / 1024:.1f} KiB",
        f"{cost.saved_bytes / cost.trials / 1024:.1f} KiB",
    )


if __name__ == "__main__":
    main()

"""What a report costs: the seconds and the bytes of a page of 384 trials, and of one of 10,000 hostile ones."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from evals.limits import LIMITS_FILE, load_limits
from evals.report.page import page
from evals.report.report import judged_report
from evals.run import Run
from evals.selftest.factories import saved_file
from evals.selftest.report.hostile import hostile_run
from evals.selftest.report.sample import sample_run

ROOT = Path(__file__).parents[2]
_TIMES = 3
_ROW = "{:<28} {:>7} {:>10} {:>9} {:>9} {:>9} {:>9} {:>8}"


def main() -> None:
    """Print the cost of both pages."""
    print("\nReport: python -m evals report, in a process of its own, the fastest of three\n")
    print(_ROW.format("run", "trials", "saved", "page", "building", "command", "reading", "ratio"))
    for name, run in (("64 tasks x 2 stacks x 3", sample_run(tasks=64)), ("hostile, answers of 1 MB", hostile_run())):
        print(_ROW.format(name, f"{len(run.trials):,}", *_cost(run)), flush=True)
    print("\nbuilding: from the loaded run to the page's text, here; command: the whole of it, Python's start and loading included")
    print("reading: json.loads of the saved file alone, here; ratio: the whole command's time by that")


def _cost(run: Run) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as folder:
        saved, page = Path(folder) / "0001_run.json", Path(folder) / "report.html"
        saved.write_text(json.dumps(saved_file(run)), encoding="utf-8")
        command = min(_commanded(saved, page) for _ in range(_TIMES))
        reading = min(_read(saved) for _ in range(_TIMES))
        sizes = (f"{file.stat().st_size / 2**20:.1f} MiB" for file in (saved, page))
        building = min(_built(run) for _ in range(_TIMES))
        return *sizes, f"{building:.2f} s", f"{command:.2f} s", f"{reading:.3f} s", f"{command / reading:.0f}"


def _commanded(saved: Path, page: Path) -> float:
    started = time.perf_counter()
    command = [sys.executable, "-m", "evals", "report", str(saved), "-o", str(page)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
    return time.perf_counter() - started


def _built(run: Run) -> float:
    started = time.perf_counter()
    page(judged_report(run, load_limits(LIMITS_FILE)))
    return time.perf_counter() - started


def _read(saved: Path) -> float:
    started = time.perf_counter()
    json.loads(saved.read_bytes())
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

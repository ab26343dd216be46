"""``python -m evals``: what saved runs amount to, on the command line."""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import AgentError, SettingsError
from agent.printable import printable
from evals.command_line import parser
from evals.limits import load_limits

if TYPE_CHECKING:
    from evals.gate import Verdict
    from evals.run import Run

EXIT_OK, EXIT_FAIL, EXIT_INVALID, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A pipe may have an encoding that lacks the characters of a task.
        sys.stdout.reconfigure(errors="replace")
    try:
        code = _COMMANDS[options.command](options)
    except AgentError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return EXIT_INVALID
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return code


def _pair(options: argparse.Namespace) -> tuple[Run, Run]:
    from evals.names import load_pair

    return load_pair(options.base, options.head, options.changed, options.storage, options.baselines)


def _show(options: argparse.Namespace) -> int:
    from evals.floors import judge_run
    from evals.likeness import mend
    from evals.names import find_file
    from evals.runs import load_run
    from evals.summary import summary_blocks
    from evals.terminal import write_blocks

    run = load_run(find_file(options.name, options.storage))
    judged = judge_run(run, load_limits(options.limits))
    blocks = summary_blocks(run, judged, _width(), resume_command=mend(run))
    write_blocks(blocks, sys.stdout, _width(), aside=run.header.target.disclaimer)
    return EXIT_OK


def _compare(options: argparse.Namespace) -> int:
    from evals.comparison import compare
    from evals.comparison_text import comparison_blocks, comparison_markdown
    from evals.grid import wrapped
    from evals.likeness import default_changed
    from evals.terminal import write_blocks

    base, head = _pair(options)
    comparison = compare(base, head, options.changed or default_changed(head))
    if options.format == "json":
        print(json.dumps(comparison.to_dict(), indent=2, allow_nan=False))
    elif options.format == "markdown":
        print(comparison_markdown(comparison))
    else:
        write_blocks(wrapped(comparison_blocks(comparison), _width()), sys.stdout, _width())
    return EXIT_OK


def _gate(options: argparse.Namespace) -> int:
    from evals.gate import invalid, judge
    from evals.likeness import default_changed

    try:
        limits = load_limits(options.limits)
        base, head = _pair(options)
        verdict = judge(base, head, limits, options.changed or default_changed(head))
    except AgentError as error:
        verdict = invalid([str(error)])
    except Exception as error:
        # A crash must not end with 1, which says FAIL.
        verdict = invalid([f"the suite has a fault of its own, {type(error).__name__}: {error}. Next: report it with both files"])
    _print_verdict(verdict, options.format)
    if verdict.verdict == "INCONCLUSIVE" and options.inconclusive:
        return EXIT_OK if options.inconclusive == "pass" else EXIT_FAIL
    return verdict.exit_code


def _print_verdict(verdict: Verdict, form: str) -> None:
    from evals.terminal import write_blocks
    from evals.verdict_text import verdict_blocks, verdict_markdown

    if form == "json":
        print(json.dumps(verdict.to_dict(), indent=2, allow_nan=False))
    elif form == "markdown":
        print(verdict_markdown(verdict))
    else:
        write_blocks(verdict_blocks(verdict), sys.stdout, _width(), aside=verdict.disclaimer)


def _report(options: argparse.Namespace) -> int:
    from evals.names import find_file, load_pair
    from evals.report.output import check_place, format_of, rendered, write
    from evals.report.report import judged_report
    from evals.runs import load_run

    form = options.format or ("html" if options.output is None else format_of(options.output))
    file: Path | None = options.output or (Path("report.html") if form == "html" else None)
    if file is not None:
        check_place(file)
    limits = load_limits(options.limits)
    if options.base is None and options.changed:
        raise SettingsError("--changed is about what differs between two runs. Next: name the run to compare with: RUN BASE")
    if options.base is None:
        head, base = load_run(find_file(options.name, options.storage)), None
    else:
        base, head = load_pair(options.base, options.name, options.changed, options.storage, options.baselines)
    content = rendered(judged_report(head, limits, base, options.changed), form)
    if file is None:
        print(content, end="")
        return EXIT_OK
    write(file, content)
    print(printable(f"report: {file} ({len(content.encode()) / 2**20:.1f} MiB), of run {head.header.run}"))
    return EXIT_OK


def _bless(options: argparse.Namespace) -> int:
    from evals.baselines import bless
    from evals.names import find_file

    blessed = bless(find_file(options.name, options.storage), options.baselines)
    before = f", in place of {blessed.replaced}" if blessed.replaced not in (None, blessed.run.header.run) else ""
    print(printable(f"blessed: run {blessed.run.header.run} is the baseline {blessed.file}{before}"))
    if blessed.run.header.fingerprint.provenance.get("dirty"):
        print("note: it was measured with uncommitted changes, so its commit alone does not say what was measured")
    return EXIT_OK


def _plan(options: argparse.Namespace) -> int:
    from evals.foresight import Plan, plan_lines
    from evals.options import new_settings

    plan = Plan(new_settings(vars(options).get), load_limits(options.limits), options.kind)
    print("\n".join(plan_lines(plan, _latest(options.storage))))
    return EXIT_OK


def _latest(storage: Path) -> Run | None:
    """The run that was saved last; ``None`` where there is none that can be read."""
    from evals.names import LATEST, find_file
    from evals.runs import load_run

    try:
        return load_run(find_file(LATEST, storage))
    except AgentError:
        return None


def _width() -> int:
    return shutil.get_terminal_size((100, 24)).columns


_COMMANDS = {
    "show": _show,
    "compare": _compare,
    "gate": _gate,
    "report": _report,
    "bless": _bless,
    "plan": _plan,
}


if __name__ == "__main__":
    raise SystemExit(main())

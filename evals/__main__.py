"""``python -m evals``: what saved runs amount to, on the command line."""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import AgentError
from agent.printable import printable
from evals.likeness import CHANGED
from evals.limits import LIMITS_FILE, TARGETS, load_limits

if TYPE_CHECKING:
    from evals.gate import Verdict
    from evals.run import Run

EXIT_OK, EXIT_FAIL, EXIT_INVALID, EXIT_INTERRUPTED = 0, 1, 2, 130
FORMATS = ("text", "markdown", "json")

_EPILOG = """\
BASE and HEAD are a path, the number of a saved run (0003), latest, or, as BASE, baseline (the blessed run that is like HEAD) or ab
(the other arm of HEAD's A/B session).

exit codes of gate: 0 PASS, 1 FAIL, 2 INVALID (the runs are unlike, damaged or incomplete), 3 INCONCLUSIVE
exit codes of the others: 0 done, 2 something was wrong or not there

examples:
  python -m evals plan --suite full
  python -m evals show latest
  python -m evals compare 0001 0002
  python -m evals bless 0001
  python -m evals gate baseline latest
  python -m evals report latest -o report.html
"""


def parser() -> argparse.ArgumentParser:
    """The command line's options."""
    options = argparse.ArgumentParser(
        prog="python -m evals",
        description="Show and compare saved runs, judge one against another, make a report of them, and plan what a run can show.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = options.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_show(commands)
    _add_compare(commands)
    _add_gate(commands)
    _add_report(commands)
    _add_bless(commands)
    _add_plan(commands)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A pipe may have an encoding that lacks the characters of a task.
        sys.stdout.reconfigure(errors="replace")
    try:
        code: int = options.run(options)
    except AgentError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return EXIT_INVALID
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return code


def _add_show(commands: Any) -> None:
    command = commands.add_parser(
        "show",
        help="show a saved run as at the end of its session",
        description="Show a saved run as at the end of its session: its stacks, whether the code obeyed, what its study found.",
    )
    command.add_argument("name", metavar="RUN", help="the run: a path, a number (0003) or latest")
    _add_limits(command)
    _add_folders(command)
    command.set_defaults(run=_show)


def _add_compare(commands: Any) -> None:
    command = commands.add_parser(
        "compare",
        help="show what changed between two saved runs",
        description="Show two saved runs side by side, per stack and per task: rates, tokens and times with the interval of their"
        " change, and which tasks flipped. It judges nothing.",
    )
    _add_pair(command)
    _add_format(command)
    command.set_defaults(run=_compare)


def _add_gate(commands: Any) -> None:
    command = commands.add_parser(
        "gate",
        help="judge one run against another: exit 0 PASS, 1 FAIL, 2 INVALID, 3 INCONCLUSIVE",
        description="Judge HEAD against BASE by the limits: exit 0 PASS, 1 FAIL, 2 INVALID, 3 INCONCLUSIVE.",
    )
    _add_pair(command)
    _add_limits(command)
    command.add_argument(
        "--inconclusive",
        choices=("pass", "fail"),
        help="exit as if INCONCLUSIVE were a PASS or a FAIL (default: exit 3; the verdict stays what it is)",
    )
    _add_format(command)
    command.set_defaults(run=_gate)


def _add_report(commands: Any) -> None:
    command = commands.add_parser(
        "report",
        help="make a page of a saved run, or of two: plots, tables and every trial",
        description="Make a report of a saved run, and of what it is compared with: one page of HTML that needs no network, with"
        " the finding, plots with their data, and every trial with its messages, answers and times; or Markdown for a pull"
        " request.",
    )
    command.add_argument("name", metavar="RUN", help="the run: a path, a number (0003) or latest")
    command.add_argument("base", metavar="BASE", nargs="?", help="the run to compare it with, which may also be baseline or ab")
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="where to write it, in place of what is there (default: report.html; Markdown is printed)",
    )
    command.add_argument(
        "--format", choices=("html", "markdown"), help="what to make (default: html, or markdown where FILE ends with .md)"
    )
    _add_changed(command)
    _add_limits(command)
    _add_folders(command)
    command.set_defaults(run=_report)


def _add_bless(commands: Any) -> None:
    command = commands.add_parser(
        "bless",
        help="make a saved run the baseline",
        description="Make a saved run the baseline that later runs with the same model, server, tasks, stacks and epochs are judged"
        " against, in place of the one before. Incomplete runs and runs that stopped early are refused.",
    )
    command.add_argument("name", metavar="RUN", help="the run: a path, a number (0003) or latest")
    _add_folders(command)
    command.set_defaults(run=_bless)


def _add_plan(commands: Any) -> None:
    from evals.options import add_plan_options

    command = commands.add_parser(
        "plan",
        help="say what a run can and cannot show, and what it costs, before it is made",
        description="Say what the gate can and cannot show with a run of these tasks and epochs, how many model calls it takes, and"
        " how many minutes at the pace of the run that was saved last.",
    )
    add_plan_options(command.add_argument)
    command.add_argument(
        "--kind",
        choices=TARGETS,
        default=_kind(),
        help="the kind of target, which limits may be for (default: EVALS_TARGET or ollama)",
    )
    _add_limits(command)
    _add_folders(command)
    command.set_defaults(run=_plan)


def _add_pair(command: argparse.ArgumentParser) -> None:
    command.add_argument("base", metavar="BASE", help="the run to compare with: a path, a number (0003), latest, baseline or ab")
    command.add_argument("head", metavar="HEAD", help="the run in question: a path, a number (0003) or latest")
    _add_changed(command)
    _add_folders(command)


def _add_changed(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--changed",
        action="append",
        choices=CHANGED,
        help="what is meant to differ; may be given several times (default: prompt, or model for a session of --ab-model)",
    )


def _add_folders(command: argparse.ArgumentParser) -> None:
    from evals.baselines import BASELINES
    from evals.names import STORAGE

    command.add_argument("--storage", type=Path, default=STORAGE, metavar="DIR", help=f"where runs are saved (default: {STORAGE})")
    command.add_argument(
        "--baselines", type=Path, default=BASELINES, metavar="DIR", help="where baselines are kept (default: fixtures/baselines)"
    )


def _add_limits(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--limits", type=Path, default=LIMITS_FILE, metavar="FILE", help="the limits to judge by (default: evals/limits.toml)"
    )


def _add_format(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", choices=FORMATS, default="text", help="how to print it (default: text)")


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


def _kind() -> str:
    """The kind of target that ``EVALS_TARGET`` stands for; for ``auto`` the one that it is meant for."""
    target = os.environ.get("EVALS_TARGET", "")
    return target if target in TARGETS else "url" if "://" in target else "ollama"


def _width() -> int:
    return shutil.get_terminal_size((100, 24)).columns


if __name__ == "__main__":
    raise SystemExit(main())

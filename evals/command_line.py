"""The command line of ``python -m evals``: its commands, their options and what they say of themselves."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from evals.likeness import CHANGED
from evals.limits import LIMITS_FILE, TARGETS

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


def _add_show(commands: Any) -> None:
    command = commands.add_parser(
        "show",
        help="show a saved run as at the end of its session",
        description="Show a saved run as at the end of its session: its stacks, whether the code obeyed, what its study found.",
    )
    command.add_argument("name", metavar="RUN", help="the run: a path, a number (0003) or latest")
    _add_limits(command)
    _add_folders(command)


def _add_compare(commands: Any) -> None:
    command = commands.add_parser(
        "compare",
        help="show what changed between two saved runs",
        description="Show two saved runs side by side, per stack and per task: rates, tokens and times with the interval of their"
        " change, and which tasks flipped. It judges nothing.",
    )
    _add_pair(command)
    _add_format(command)


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


def _add_report(commands: Any) -> None:
    from evals.report.output import REPORT_FORMATS

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
        "--format", choices=REPORT_FORMATS, help="what to make (default: html, or markdown where FILE ends with .md)"
    )
    _add_changed(command)
    _add_limits(command)
    _add_folders(command)


def _add_bless(commands: Any) -> None:
    command = commands.add_parser(
        "bless",
        help="make a saved run the baseline",
        description="Make a saved run the baseline that later runs with the same model, server, tasks, stacks and epochs are judged"
        " against, in place of the one before. Incomplete runs and runs that stopped early are refused.",
    )
    command.add_argument("name", metavar="RUN", help="the run: a path, a number (0003) or latest")
    _add_folders(command)


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


def _kind() -> str:
    """The kind of target that ``EVALS_TARGET`` stands for; for ``auto`` the one that it is meant for."""
    target = os.environ.get("EVALS_TARGET", "")
    return target if target in TARGETS else "url" if "://" in target else "ollama"

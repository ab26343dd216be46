"""The command line of live runs, and what it settles on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import SettingsError
from agent.stacks import DEFAULT_STACKS
from agent.targets.options import add_target_options, chosen_model, chosen_target
from agent.targets.target import split_embedder
from evals.baselines import BASELINES
from evals.journal import LATEST, find_journal, read_journal, resume_command
from evals.likeness import CHANGED
from evals.limits import LIMITS_FILE
from evals.schedule import BOTH_ARMS, DEFAULT_SUITE, REGIMES, Regime, choose_stacks, choose_tasks
from evals.settings import Settings
from evals.studies import STUDIES

if TYPE_CHECKING:
    import pytest

_DEFAULT = Settings()
BOTH = "both"


def add_options(parser: pytest.Parser) -> None:
    """Add the options of live runs. Each has no default of its own, so that a run which goes on can tell what was asked for."""
    group = parser.getgroup("evals", "live evals of the coding agent (pytest evals/ -m live)")
    add = group.addoption
    add_target_options(add, prefix="evals_")
    add_plan_options(add)
    add(
        "--seed",
        dest="evals_seed",
        type=int,
        metavar="N",
        help=f"seed of the order and of sampling (default: {_DEFAULT.seed})",
    )
    add(
        "--max-tokens",
        dest="evals_max_tokens",
        type=int,
        metavar="N",
        help=f"the longest answer, in tokens (default: {_DEFAULT.sampling.max_tokens})",
    )
    add(
        "--deadline",
        dest="evals_deadline",
        type=float,
        metavar="SECONDS",
        help=f"the longest that a call may take (default: {_DEFAULT.deadline:g})",
    )
    add(
        "--fault-budget",
        dest="evals_fault_budget",
        type=float,
        metavar="SHARE",
        help="stop when more than this share of the trials, and more than two, ended in an infrastructure fault"
        f" (default: {_DEFAULT.fault_budget:g})",
    )
    add(
        "--resume",
        dest="evals_resume",
        nargs="?",
        const=LATEST,
        metavar="RUN",
        help="go on with a run that is not complete: the newest one, or --resume=RUN by the name of its journal; its own"
        " options hold",
    )
    add(
        "--report",
        dest="evals_report",
        metavar="FILE",
        help="also write a report of the run to this file when it ends: a page of HTML, or Markdown where its name ends with .md",
    )
    add(
        "--ab",
        dest="evals_ab",
        metavar="REF",
        help="A/B: also run the agent as it is at this commit, branch or tag, interleaved with the working tree's; tasks and suite"
        " are the working tree's on both sides",
    )
    add(
        "--ab-model",
        dest="evals_ab_model",
        metavar="NAME",
        help="A/B: also run this model, interleaved with that of --model, on the same target",
    )


def add_gate_options(parser: pytest.Parser) -> None:
    """Add the options of the verdict at the end of a session."""
    add = parser.getgroup("evals gate", "the verdict at the end of live evals; see python -m evals gate").addoption
    add(
        "--baseline",
        dest="evals_baseline",
        metavar="NAME",
        help="judge this run against another: a path, the number of a saved run, latest, or baseline for the blessed one;"
        " exit 0 PASS, 1 FAIL, 12 INVALID, 13 INCONCLUSIVE",
    )
    add(
        "--sequential",
        dest="evals_sequential",
        action="store_true",
        help="with --baseline: finish all epochs of a task before the next, and stop as soon as the verdict is settled",
    )
    add(
        "--changed",
        dest="evals_changed",
        action="append",
        choices=CHANGED,
        help="what is meant to differ; may be given several times (default: prompt, or model with --ab-model)",
    )
    add(
        "--limits",
        dest="evals_limits",
        default=str(LIMITS_FILE),
        metavar="FILE",
        help="the floors and limits to judge by (default: evals/limits.toml)",
    )
    add(
        "--baselines",
        dest="evals_baselines",
        default=str(BASELINES),
        metavar="DIR",
        help="where baselines are kept (default: fixtures/baselines)",
    )
    add(
        "--inconclusive",
        dest="evals_inconclusive",
        choices=("pass", "fail"),
        help="exit as if INCONCLUSIVE were a PASS or a FAIL (default: exit 13)",
    )


def add_plan_options(add: Callable[..., Any]) -> None:
    """Add the options that say which trials a run consists of, by ``add``, which takes what ``argparse`` takes."""
    add(
        "--epochs",
        dest="evals_epochs",
        type=int,
        metavar="N",
        help=f"repetitions of the whole task set (default: {_DEFAULT.epochs})",
    )
    add(
        "--suite",
        dest="evals_suite",
        metavar="NAME",
        help="the tasks: article (the published one; too few to judge anything), smoke (12) or full (64, what a gate needs)"
        f" (default: {DEFAULT_SUITE})",
    )
    add(
        "--stack",
        dest="evals_stacks",
        action="append",
        metavar="NAME",
        help=f"only this stack; may be given several times (default: {', '.join(DEFAULT_STACKS)}; an unknown name lists all)",
    )
    for name, study in STUDIES.items():
        add(
            f"--{name}",
            dest="evals_study",
            action="append_const",
            const=name,
            help=f"{study.question} ({len(study.stacks)} stacks, {' and '.join(study.regimes)})",
        )
    add(
        "--task",
        dest="evals_tasks",
        action="append",
        metavar="GLOB",
        help="only tasks whose id matches, of the suite, or of all tasks without one; may be given several times",
    )
    add(
        "--regime",
        dest="evals_regime",
        choices=[*REGIMES, BOTH],
        help="how prompts meet the server's prefix cache: warm (as it comes), cold (a nonce before every prompt, so that nothing"
        " but the template's opening is reused), or both, which doubles the trials (default: warm)",
    )


def settings_of(config: pytest.Config) -> Settings:
    """What the command line of pytest asks for in a new run; see :func:`new_settings`."""
    return new_settings(config.getoption)


def new_settings(option: Callable[[str], Any]) -> Settings:
    """What a command line asks for in a new run; ``option`` gives the value of an option, ``None`` where it was not given.

    Raises:
        SettingsError: when an option has a value that is not allowed.
        TargetError: when the embedder is no URL and model.
    """
    given = _given(option)
    settings = replace(_DEFAULT, **{
        "target": chosen_target(None).rstrip("/"),
        "model": chosen_model(None),
        "stacks": choose_stacks(None),
        "tasks": tuple(task.id for task in choose_tasks(None)),
        "suite": None if option("evals_tasks") else DEFAULT_SUITE,
    } | given)  # fmt: skip
    _refuse_impossible(settings)
    if settings.embedder is not None:
        # It is saved with the run even where no stack uses it, so nothing secret may be in it.
        split_embedder(settings.embedder)
    return settings


def report_file(config: pytest.Config) -> Path | None:
    """Where the report of a live session goes; ``None`` where none was asked for.

    Raises:
        SettingsError: when it cannot be written there, or no live evals are selected.
    """
    choice = config.getoption("evals_report")
    if choice is None:
        return None
    if not selects_live(config):
        raise SettingsError("--report is about live evals. Next: add -m live, or: python -m evals report latest")
    from evals.report.output import check_place

    check_place(file := Path(choice))
    return file


def storage_folder(config: pytest.Config) -> Path:
    """Where runs are saved; pytest-benchmark may also keep them elsewhere than in files."""
    kind, _, path = config.getoption("benchmark_storage").rpartition("://")
    return Path(path if kind in ("", "file") else ".benchmarks")


def journal_folder(config: pytest.Config) -> Path:
    """Where journals are kept: beside the saved runs."""
    return storage_folder(config) / "journals"


def resumed_journal(config: pytest.Config) -> Path | None:
    """The journal of the run that is to go on; ``None`` for a new run.

    Raises:
        RunFileError: when it is not there.
        SettingsError: when options are given that do not go together.
    """
    _refuse_mixed(config)
    choice = config.getoption("evals_resume")
    return None if choice is None else find_journal(journal_folder(config), choice)


def settings_of_resumed(config: pytest.Config, journal: Path) -> Settings:
    """The settings of the run that is to go on, as its journal has them.

    Raises:
        RunFileError: when the journal is damaged.
        SettingsError: when the run is over or has a stack that is no more, or when the command line asks for something else than
            it was begun with.
    """
    before = read_journal(journal)
    if before.header.settings.arms == BOTH_ARMS:
        raise SettingsError(
            f"The run {before.header.run} is one arm of an A/B session, and time can only be compared within one session."
            " Next: begin a new one without --resume"
        )
    if before.finished:
        raise SettingsError(f"The run {before.header.run} is complete and saved. Next: begin a new one without --resume")
    settings = before.header.settings
    choose_stacks(settings.stacks)
    if different := settings.differences(replace(settings, **_given(config.getoption, settings))):
        raise SettingsError(
            f"The run {before.header.run} was begun with other options: {'; '.join(different)}."
            f" Next: {resume_command(journal)} without them, or begin a new run"
        )
    return settings


def _given(option: Callable[[str], Any], before: Settings = _DEFAULT) -> dict[str, Any]:
    """The fields of the settings that options were given for."""
    tasks, suite, stacks, regime, max_tokens, ref = (
        option(f"evals_{name}") for name in ("tasks", "suite", "stacks", "regime", "max_tokens", "ab")
    )
    plain = {
        name: option(f"evals_{name}")
        for name in ("target", "model", "embedder", "epochs", "seed", "deadline", "fault_budget", "ab_model")
    }
    chosen = {
        "target": plain["target"] and plain["target"].rstrip("/"),
        "tasks": tuple(task.id for task in choose_tasks(tasks, suite)) if tasks or suite else None,
        "suite": suite,
        "sequential": option("evals_sequential") or None,
        "stacks": choose_stacks(stacks) if stacks else None,
        "regimes": _regimes(regime) if regime else None,
        "ab": None if ref is None else _commit_of(ref),
        "sampling": None if max_tokens is None else replace(before.sampling, max_tokens=max_tokens),
    }
    given = {name: value for name, value in (plain | chosen).items() if value is not None}
    if (study := _study(option)) is None:
        return given
    if foreign := [stack for stack in given.get("stacks", ()) if stack not in STUDIES[study].stacks]:
        raise SettingsError(f"--{study} has no stack {', '.join(foreign)}; it has: {', '.join(STUDIES[study].stacks)}")
    return _of_study(study) | given


def _study(option: Callable[[str], Any]) -> str | None:
    names: list[str] = list(dict.fromkeys(option("evals_study") or ()))
    if len(names) > 1:
        asked = " and ".join(f"--{name}" for name in names)
        raise SettingsError(
            f"{asked} are {len(names)} questions, each with stacks and an order of its own. Next: run them one by one"
        )
    return names[0] if names else None


def _of_study(name: str) -> dict[str, Any]:
    study = STUDIES[name]
    return {"study": name, "stacks": study.stacks, "regimes": study.regimes, "order": study.order}


def _regimes(choice: str) -> tuple[Regime, ...]:
    return tuple(regime for regime in REGIMES if choice in (regime, BOTH))


def _commit_of(ref: str) -> str:
    from evals.worktree import commit_of

    return commit_of(ref)


def _refuse_mixed(config: pytest.Config) -> None:
    resumed, ab, ab_model = (config.getoption(f"evals_{name}") is not None for name in ("resume", "ab", "ab_model"))
    if ab and ab_model:
        raise SettingsError("--ab and --ab-model are two questions: what differs must be one thing. Next: run them one by one")
    if (study := _study(config.getoption)) and (ab or ab_model or config.getoption("evals_sequential")):
        raise SettingsError(f"--{study} does not go with --ab, --ab-model or --sequential: it has an order of its own")
    if resumed and (ab or ab_model):
        raise SettingsError("--resume does not go with --ab or --ab-model: time can only be compared within one session")


def _refuse_impossible(settings: Settings) -> None:
    rules = (
        ("--epochs is a number from 1 to 100000", settings.epochs, 1 <= settings.epochs <= 100_000),
        ("--max-tokens is 1 or more", settings.sampling.max_tokens, settings.sampling.max_tokens >= 1),
        ("--deadline is more than 0 and at most 86400 seconds", settings.deadline, 0 < settings.deadline <= 86_400),
        ("--ab-model is the name of a model", repr(settings.ab_model), settings.ab_model != ""),
        ("--fault-budget is a share from 0 to 1", settings.fault_budget, 0 <= settings.fault_budget <= 1),
    )
    for rule, value, holds in rules:
        if not holds:
            raise SettingsError(f"{rule}; this is {value}")


def selects_live(config: pytest.Config) -> bool:
    """Whether ``-m`` asks for live evals."""
    expression = config.option.markexpr
    return bool(re.search(r"\blive\b", expression)) and not re.search(r"\bnot\s+live\b", expression)


_REFUSED_IN_LIVE_RUNS = {
    "numprocesses": "xdist (-n): live trials are serial",
    "failedfirst": "--ff: it changes the order of trials",
    "newfirst": "--nf: it changes the order of trials",
    "reruns": "reruns: a wrong answer is a result, not a flake",
    "benchmark_disable": "--benchmark-disable: nothing would be saved",
    "benchmark_skip": "--benchmark-skip: nothing would be saved",
    "benchmark_cprofile": "--benchmark-cprofile: entries replay what was measured, there is nothing to profile",
}


def refuse_unfit_options(config: pytest.Config) -> None:
    """Refuse pytest's own options that would falsify a live run.

    Raises:
        SettingsError: naming the option and the reason.
    """
    if not config.pluginmanager.hasplugin("benchmark"):
        raise SettingsError("live runs are saved by pytest-benchmark, which is not loaded; run again without -p no:benchmark")
    for option, reason in _REFUSED_IN_LIVE_RUNS.items():
        if config.getoption(option, None):
            raise SettingsError(f"live runs do not take {reason}")

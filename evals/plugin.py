"""The pytest plugin: options, the schedule as test items, the live run around them, and the summary."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import AgentError, SettingsError
from agent.stacks import STACKS
from evals.floors import Judgement, judge_run
from evals.journal import resume_command
from evals.limits import Limits, load_limits
from evals.options import (
    add_options,
    journal_folder,
    refuse_unfit_options,
    resumed_journal,
    selects_live,
    settings_of,
    settings_of_resumed,
)
from evals.progress import Progress, can_move_cursor, shown_below
from evals.schedule import PlannedTrial, Series, choose_tasks, plan
from evals.settings import Settings

if TYPE_CHECKING:
    from agent.targets.target import Target
    from evals.live import LiveRun

SELF_TESTS = Path(__file__).with_name("selftest")


@dataclass
class _State:
    """What the plugin knows of this session."""

    settings: Settings
    planned: tuple[PlannedTrial, ...]
    limits: Limits
    resumed: Path | None = None
    opened: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    run: LiveRun | None = None
    progress: Progress | None = None


_STATE = pytest.StashKey[_State]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of live runs."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Check the options, plan the run, and switch autosave on for live runs, before pytest-benchmark reads it."""
    try:
        if selects_live(config):
            refuse_unfit_options(config)
        config.stash[_STATE] = _state(config)
    except AgentError as error:
        raise pytest.UsageError(str(error)) from error
    if selects_live(config):
        from evals.saving import run_tag

        config.option.benchmark_autosave = config.option.benchmark_autosave or run_tag()
        config.option.benchmark_save_data = True
        config.option.benchmark_quiet = True
        # A library's warning must not end a run that takes hours.
        config.addinivalue_line("filterwarnings", "default")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the self-tests out of a live run: collecting them takes longer than a trial."""
    return True if selects_live(config) and collection_path == SELF_TESTS else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make every planned trial one item of one flat parametrization, and every aggregate one item per stack."""
    if metafunc.definition.get_closest_marker("live") is None:
        return
    state = metafunc.config.stash[_STATE]
    if "planned" in metafunc.fixturenames:
        metafunc.parametrize("planned", state.planned, ids=str)
    series = state.settings.series
    if "series" in metafunc.fixturenames:
        metafunc.parametrize("series", series, ids=str)
    if "memory_series" in metafunc.fixturenames:
        asking: list[Any] = [one for one in series if STACKS[one.stack].context == "memory"]
        skipped = pytest.param(None, marks=pytest.mark.skip(reason="no stack of this run asks memory"))
        metafunc.parametrize("memory_series", asking or [skipped], ids=str)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Open the live run before the first item, so that what is missing is one error and no test's traceback."""
    items = [item for item in session.items if item.get_closest_marker("live")]
    if (
        not items
        or session.config.option.collectonly
        or (session.testsfailed and not session.config.option.continue_on_collection_errors)
    ):
        return
    if not selects_live(session.config):
        raise pytest.UsageError("live evals are selected without -m live, so nothing would be saved; run: pytest evals/ -m live")
    state = session.config.stash[_STATE]
    _refuse_other_order(items, state.planned)
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    try:
        state.run, target = state.opened.enter_context(_open(session.config, state))
    except AgentError as error:
        raise pytest.UsageError(str(error)) from error
    done, total = state.run.answered, len(state.planned)
    state.progress = Progress(total=total, done=done)
    going_on = f"going on with run {state.run.header.run}: {done} of {total} trials are there" if state.resumed else ""
    if reporter is not None:
        reporter.write_line("\n".join(filter(None, [target.note, going_on, f"target: {target}"])))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Show the status line below the dots while a trial runs; count the trial, and stop above the budget of faults."""
    state = item.config.stash[_STATE]
    planned = getattr(item, "callspec", None) and item.callspec.params.get("planned")  # type: ignore[attr-defined]
    if state.run is None or state.progress is None or planned is None:
        return (yield)
    earlier = state.run.by_key.get(planned.key)
    try:
        with _status(item.config, state.progress.line(planned, time.monotonic())):
            return (yield)
    except SettingsError as error:
        # The journal cannot be written: going on would measure what may be lost.
        item.session.shouldstop = f"{error}, then {resume_command(state.run.journal.file)}"
        pytest.fail(str(error), pytrace=False)
    finally:
        trial = state.run.by_key.get(planned.key)
        if trial is not None and trial is not earlier:
            state.progress.add(trial)
        if state.run.over_budget:
            item.session.shouldstop = _over_budget(state.run)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Record what the items left out before pytest-benchmark saves, and close the run after it."""
    from evals import saving

    state = session.config.stash[_STATE]
    run = None if state.run is None else state.run.result()
    try:
        if selects_live(session.config):
            saving.prepare(session.config, run)
        result = yield
        if run is not None and run.trials and saving.saved_file(session.config) is None:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif state.run is not None and run is not None and run.complete:
            # Without this line the run could only be saved again.
            with contextlib.suppress(SettingsError):
                state.run.journal.finish()
        return result
    finally:
        state.opened.close()


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Drop the CPU's momentary clock, which differs at every look."""
    for volatile in [name for name in machine_info.get("cpu", {}) if name.startswith("hz_actual")]:
        del machine_info["cpu"][volatile]


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Add the trials, once, to the saved run."""
    from evals.runs import saved_part

    state = config.stash[_STATE]
    if state.run is not None:
        run = state.run.result()
        judgements = {str(series): judged.to_dict() for series, judged in judge_run(run, state.limits).items()}
        output_json["evals"] = saved_part(run, judgements)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the stacks side by side, and where everything was saved."""
    state = config.stash[_STATE]
    if state.run is None or not state.run.by_key:
        return
    from evals.saving import saved_file, why_unsaved
    from evals.summary import summary_lines

    run, width, command = state.run.result(), terminalreporter._tw.fullwidth, resume_command(state.run.journal.file)
    terminalreporter.section("evals")
    for line in summary_lines(run, judge_run(run, state.limits), width, resume_command=command):
        terminalreporter.write_line(line)
    saved = saved_file(config)
    where = f"nothing: {why_unsaved(config)}" if saved is None else _relative(saved)
    terminalreporter.write_line(f"saved: {where}, journal: {_relative(state.run.journal.file)}")


@pytest.fixture(scope="session")
def live(request: pytest.FixtureRequest) -> LiveRun:
    """The open live run."""
    run = request.config.stash[_STATE].run
    if run is None:
        pytest.fail("there is no live run; start one with: pytest evals/ -m live", pytrace=False)
    return run


@pytest.fixture
def judgements(live: LiveRun, request: pytest.FixtureRequest) -> dict[Series, Judgement]:
    """What the share of valid answers of every series amounts to, of all that was measured so far."""
    return judge_run(live.result(), request.config.stash[_STATE].limits)


def _state(config: pytest.Config) -> _State:
    resumed = resumed_journal(config)
    settings = settings_of(config) if resumed is None else settings_of_resumed(config, resumed)
    stacks = [STACKS[name] for name in settings.stacks]
    planned = plan(choose_tasks(settings.tasks), stacks, settings.epochs, settings.seed, settings.regimes)
    return _State(settings, planned, load_limits(), resumed)


def _status(config: pytest.Config, line: str) -> contextlib.AbstractContextManager[None]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not reporter.isatty() or not can_move_cursor():
        return contextlib.nullcontext()
    writer = reporter._tw
    return shown_below(writer._file, line, column=writer.width_of_current_line, width=writer.fullwidth)


def _over_budget(run: LiveRun) -> str:
    first = run.result().faulted[0].fault
    return (
        f"more than {run.settings.faults_allowed} trials met an infrastructure fault, the first one {first}."
        f" Next: mend the server, then {resume_command(run.journal.file)}"
    )


def _refuse_other_order(items: list[pytest.Item], planned: tuple[PlannedTrial, ...]) -> None:
    """Refuse items in another order than planned: shuffled trials would no longer be balanced, and aggregates come last."""
    place = {str(trial): index for index, trial in enumerate(planned)}
    asked = [place.get(item.callspec.id, len(place)) if hasattr(item, "callspec") else len(place) for item in items]
    if asked != sorted(asked):
        raise pytest.UsageError(
            "the live trials are not in their planned order; run again without the plugin or option that reorders tests"
        )


def _open(config: pytest.Config, state: _State) -> contextlib.AbstractContextManager[tuple[LiveRun, Target]]:
    from evals.opening import open_run

    folder = journal_folder(config)
    return open_run(state.settings, state.planned, journals=folder, resumed=state.resumed)


def _relative(file: Path) -> str:
    with contextlib.suppress(ValueError):
        return str(file.resolve().relative_to(Path.cwd()))
    return str(file)

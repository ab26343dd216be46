"""The pytest plugin: options, the schedule as test items, the live run around them, and the summary."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import AgentError
from agent.stacks import STACKS
from evals.limits import Floor, load_floors
from evals.options import add_options, journal_folder, resumed_journal, settings_of, settings_of_resumed
from evals.progress import Progress, shown_below, shows_status
from evals.schedule import PlannedTrial, choose_tasks, plan
from evals.settings import Settings

if TYPE_CHECKING:
    from evals.live import LiveRun

SELF_TESTS = Path(__file__).with_name("selftest")

_REFUSED_IN_LIVE_RUNS = {
    "numprocesses": "xdist (-n): live trials are serial",
    "failedfirst": "--ff: it changes the order of trials",
    "newfirst": "--nf: it changes the order of trials",
    "reruns": "reruns: a wrong answer is a result, not a flake",
    "benchmark_disable": "--benchmark-disable: nothing would be saved",
    "benchmark_skip": "--benchmark-skip: nothing would be saved",
    "benchmark_cprofile": "--benchmark-cprofile: entries replay what was measured, there is nothing to profile",
}


@dataclass
class _State:
    """What the plugin knows of this session."""

    settings: Settings
    planned: tuple[PlannedTrial, ...]
    floors: tuple[Floor, ...]
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
        config.stash[_STATE] = _state(config)
    except AgentError as error:
        raise pytest.UsageError(str(error)) from error
    if _selects_live(config.option.markexpr):
        _refuse_unfit_options(config)
        config.option.benchmark_autosave = config.option.benchmark_autosave or _run_tag()
        config.option.benchmark_save_data = True
        config.option.benchmark_quiet = True
        # A library's warning must not end a run that takes hours.
        config.addinivalue_line("filterwarnings", "default")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the self-tests out of a live run: collecting them takes longer than a trial."""
    return True if _selects_live(config.option.markexpr) and collection_path == SELF_TESTS else None


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
    if not _selects_live(session.config.option.markexpr):
        raise pytest.UsageError("live evals are selected without -m live, so nothing would be saved; run: pytest evals/ -m live")
    state = session.config.stash[_STATE]
    _refuse_other_order(items, state.planned)
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    try:
        state.run = state.opened.enter_context(_open(session.config, state))
    except AgentError as error:
        raise pytest.UsageError(str(error)) from error
    state.progress = Progress(total=len(state.planned), done=len(state.run.by_key) - len(state.run.faulted))
    if reporter is not None:
        reporter.write_line("\n".join(_opening_lines(state)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Show the status line below the dots while a trial runs; count the trial, and stop above the budget of faults."""
    state = item.config.stash[_STATE]
    planned = getattr(item, "callspec", None) and item.callspec.params.get("planned")  # type: ignore[attr-defined]
    if state.run is None or state.progress is None or planned is None:
        return (yield)
    earlier = state.run.by_key.get(planned.key)
    with _status(item.config, state.progress.line(planned, time.monotonic())):
        try:
            return (yield)
        finally:
            trial = state.run.by_key.get(planned.key)
            if trial is not None and trial is not earlier:
                state.progress.add(trial)
            if state.run.over_budget:
                item.session.shouldstop = _over_budget(state.run)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Record what the items left out before pytest-benchmark saves, and close the run after it."""
    state = session.config.stash[_STATE]
    try:
        if state.run is not None:
            from evals.saving import make_atomic

            make_atomic(_benchmark_session(session.config))
            _record_left_out(session.config, state.run)
        if _selects_live(session.config.option.markexpr) and not _benchmark_session(session.config).benchmarks:
            # Nothing was measured, and pytest-benchmark would warn that it saves nothing.
            _benchmark_session(session.config).autosave = None
        yield
        if state.run is not None and not state.run.flaw:
            state.run.journal.finish()
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
    run = config.stash[_STATE].run
    if run is not None:
        output_json["evals"] = run.to_dict()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the stacks side by side, and where everything was saved."""
    state = config.stash[_STATE]
    if state.run is None or not state.run.trials:
        return
    from evals.summary import summary_lines

    terminalreporter.section("evals")
    for line in summary_lines(state.run, width=terminalreporter._tw.fullwidth):
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"saved: {_saved_run(config)}, journal: {_relative(state.run.journal.file)}")


@pytest.fixture(scope="session")
def live(request: pytest.FixtureRequest) -> LiveRun:
    """The open live run."""
    run = request.config.stash[_STATE].run
    if run is None:
        pytest.fail("there is no live run; start one with: pytest evals/ -m live", pytrace=False)
    return run


def _state(config: pytest.Config) -> _State:
    resumed = resumed_journal(config)
    settings = settings_of(config) if resumed is None else settings_of_resumed(config, resumed)
    stacks = [STACKS[name] for name in settings.stacks]
    planned = plan(choose_tasks(settings.tasks), stacks, settings.epochs, settings.seed, settings.regimes)
    return _State(settings, planned, load_floors(), resumed)


def _opening_lines(state: _State) -> list[str]:
    run = state.run
    if run is None:
        return []
    answered = len(run.by_key) - len(run.faulted)
    going_on = f"going on with run {run.header.run}: {answered} of {len(run.planned)} trials are there" if state.resumed else ""
    return list(filter(None, [run.target.note, going_on, f"target: {run.target}"]))


def _status(config: pytest.Config, line: str) -> contextlib.AbstractContextManager[None]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not shows_status(reporter):
        return contextlib.nullcontext()
    writer = reporter._tw
    return shown_below(writer._file, line, column=writer.width_of_current_line, width=writer.fullwidth)


def _over_budget(run: LiveRun) -> str:
    first = run.faulted[0].fault
    return (
        f"more than {run.settings.faults_allowed} trials met an infrastructure fault, the first one {first}."
        f" Next: mend the server, then pytest evals/ -m live --resume={run.header.run}"
    )


def _selects_live(expression: str) -> bool:
    return bool(re.search(r"\blive\b", expression)) and not re.search(r"\bnot\s+live\b", expression)


def _run_tag() -> str:
    """What pytest-benchmark itself names an autosaved run by: commit and time."""
    from pytest_benchmark import utils

    get_tag: Any = utils.get_tag
    return str(get_tag())


def _refuse_unfit_options(config: pytest.Config) -> None:
    if not config.pluginmanager.hasplugin("benchmark"):
        raise pytest.UsageError("live runs are saved by pytest-benchmark, which is not loaded; run again without -p no:benchmark")
    for option, reason in _REFUSED_IN_LIVE_RUNS.items():
        if config.getoption(option, None):
            raise pytest.UsageError(f"live runs do not take {reason}")


def _refuse_other_order(items: list[pytest.Item], planned: tuple[PlannedTrial, ...]) -> None:
    """Refuse items in another order than planned: shuffled trials would no longer be balanced, and aggregates come last."""
    place = {str(trial): index for index, trial in enumerate(planned)}
    asked = [place.get(item.callspec.id, len(place)) if hasattr(item, "callspec") else len(place) for item in items]
    if asked != sorted(asked):
        raise pytest.UsageError(
            "the live trials are not in their planned order; run again without the plugin or option that reorders tests"
        )


def _record_left_out(config: pytest.Config, run: LiveRun) -> None:
    from evals.recording import METRICS, record_left_out

    for series in run.settings.series:
        trials = run.of_series(series)
        for metric in METRICS:
            record_left_out(config, series, trials, metric)


def _open(config: pytest.Config, state: _State) -> contextlib.AbstractContextManager[LiveRun]:
    from evals.opening import open_run

    folder = journal_folder(config)
    return open_run(state.settings, state.planned, state.floors, journals=folder, resumed=state.resumed)


def _benchmark_session(config: pytest.Config) -> Any:
    return config._benchmarksession  # type: ignore[attr-defined]


def _saved_run(config: pytest.Config) -> str:
    saved = getattr(_benchmark_session(config).storage, "saved", None)
    return "nothing, since nothing was measured" if saved is None else _relative(saved)


def _relative(file: Path) -> str:
    with contextlib.suppress(ValueError):
        return str(file.resolve().relative_to(Path.cwd()))
    return str(file)

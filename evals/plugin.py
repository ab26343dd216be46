"""The pytest plugin: options, the schedule as test items, the live run around them, and the summary."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import AgentError, SettingsError
from agent.stacks import STACKS
from agent.targets.options import add_target_options
from evals.limits import Floor, load_floors
from evals.schedule import PlannedTrial, choose_stacks, choose_tasks, plan

if TYPE_CHECKING:
    from evals.live import LiveRun, Settings

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
    opened: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    run: LiveRun | None = None


_STATE = pytest.StashKey[_State]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of live runs."""
    group = parser.getgroup("evals", "live evals of the coding agent (pytest evals/ -m live)")
    add = group.addoption
    add_target_options(add, prefix="evals_")
    add("--epochs", dest="evals_epochs", type=int, default=3, metavar="N", help="repetitions of the whole task set (default: 3)")
    add(
        "--stack",
        dest="evals_stacks",
        action="append",
        metavar="NAME",
        help=f"only this stack; may be given several times ({', '.join(STACKS)})",
    )
    add(
        "--task",
        dest="evals_tasks",
        action="append",
        metavar="GLOB",
        help="only tasks whose id matches; may be given several times",
    )
    add("--seed", dest="evals_seed", type=int, default=0, metavar="N", help="seed of the order and of sampling (default: 0)")


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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make every planned trial one item of one flat parametrization, and every aggregate one item per stack."""
    if metafunc.definition.get_closest_marker("live") is None:
        return
    state = metafunc.config.stash[_STATE]
    if "planned" in metafunc.fixturenames:
        metafunc.parametrize("planned", state.planned, ids=str)
    if "stack" in metafunc.fixturenames:
        metafunc.parametrize("stack", state.settings.stacks)


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
    if reporter is not None:
        reporter.write_line("\n".join(filter(None, [state.run.target.note, f"target: {state.run.target}"])))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Record what the items left out before pytest-benchmark saves, and close the run after it."""
    state = session.config.stash[_STATE]
    try:
        if state.run is not None:
            _record_left_out(session.config, state.run)
        if _selects_live(session.config.option.markexpr) and not _benchmark_session(session.config).benchmarks:
            # Nothing was measured, and pytest-benchmark would warn that it saves nothing.
            _benchmark_session(session.config).autosave = None
        yield
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
    from evals.live import Settings

    tasks = choose_tasks(config.getoption("evals_tasks"))
    stacks = choose_stacks(config.getoption("evals_stacks"))
    epochs, seed = config.getoption("evals_epochs"), config.getoption("evals_seed")
    if epochs < 1:
        raise SettingsError(f"--epochs is 1 or more; this is {epochs}")
    settings = Settings(
        target=config.getoption("evals_target"),
        model=config.getoption("evals_model"),
        embedder=config.getoption("evals_embedder"),
        stacks=stacks,
        tasks=tuple(task.id for task in tasks),
        epochs=epochs,
        seed=seed,
    )
    return _State(settings, plan(tasks, [STACKS[name] for name in stacks], epochs, seed), load_floors())


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

    for stack in run.settings.stacks:
        for metric in METRICS:
            record_left_out(config, stack, run.of_stack(stack), metric)


def _open(config: pytest.Config, state: _State) -> contextlib.AbstractContextManager[LiveRun]:
    from evals.opening import open_run

    # Journals stand beside the saved runs, which pytest-benchmark may also keep elsewhere than in files.
    storage = Path(getattr(_benchmark_session(config).storage, "path", ".benchmarks"))
    return open_run(state.settings, state.planned, state.floors, journal_folder=storage / "journals")


def _benchmark_session(config: pytest.Config) -> Any:
    return config._benchmarksession  # type: ignore[attr-defined]


def _saved_run(config: pytest.Config) -> str:
    session = _benchmark_session(config)
    return _relative(Path(session.storage.query()[-1])) if session.benchmarks else "nothing, since nothing was measured"


def _relative(file: Path) -> str:
    with contextlib.suppress(ValueError):
        return str(file.resolve().relative_to(Path.cwd()))
    return str(file)

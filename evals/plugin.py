"""The pytest plugin: options, the schedule as test items, the live run around them, and the summary."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import AgentError, ArmError, SettingsError
from agent.printable import one_line
from agent.stacks import STACKS
from evals.floors import Judgement, judge_run
from evals.limits import Limits
from evals.memory.selection import MARKER as MEMORY
from evals.options import (
    add_gate_options,
    add_options,
    journal_folder,
    refuse_unfit_options,
    report_file,
    resumed_journal,
    selects_live,
    settings_of,
    settings_of_resumed,
    storage_folder,
)
from evals.progress import Progress, can_move_cursor, shown_below
from evals.schedule import BOTH_ARMS, PlannedTrial, Series, choose_tasks, plan, plan_sequential
from evals.session_gate import SESSION_EXIT_CODES, limits_of, session_gate
from evals.settings import Settings

if TYPE_CHECKING:
    from evals.arms import Arms
    from evals.live import LiveRun
    from evals.session_gate import SessionGate

SELF_TESTS = Path(__file__).with_name("selftest")


@dataclass
class _State:
    """What the plugin knows of this session."""

    settings: Settings
    planned: tuple[PlannedTrial, ...]
    limits: Limits
    resumed: Path | None = None
    report: Path | None = None
    opened: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    arms: Arms | None = None
    progress: Progress | None = None
    gate: SessionGate | None = None

    @property
    def run(self) -> LiveRun | None:
        """The run that the aggregates are about: in an A/B session the head's."""
        return None if self.arms is None else self.arms.head


_STATE = pytest.StashKey[_State]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of live runs and of their verdict."""
    add_options(parser)
    add_gate_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Check the options, plan the run, and switch autosave on for live runs, before pytest-benchmark reads it."""
    try:
        if selects_live(config):
            refuse_unfit_options(config)
        config.stash[_STATE] = _state(config)
    except AgentError as error:
        raise pytest.UsageError(one_line(str(error))) from error
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
        asking: list[Any] = [one for one in series if STACKS[one.stack].asks_memory]
        skipped = pytest.param(None, marks=pytest.mark.skip(reason="no stack of this run asks memory"))
        metafunc.parametrize("memory_series", asking or [skipped], ids=str)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Open the live run before the first item, so that what is missing is one error and no test's traceback."""
    live = [item for item in session.items if item.get_closest_marker("live")]
    if (
        not live
        or session.config.option.collectonly
        or (session.testsfailed and not session.config.option.continue_on_collection_errors)
    ):
        return
    if not selects_live(session.config):
        raise pytest.UsageError("live evals are selected without -m live, so nothing would be saved; run: pytest evals/ -m live")
    items = [item for item in live if item.get_closest_marker(MEMORY) is None]
    if not items:
        return
    state = session.config.stash[_STATE]
    _refuse_other_order(items, state.planned)
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    try:
        state.arms = arms = state.opened.enter_context(_open(session.config, state))
        arms.judged_by = "" if state.gate is None else state.gate.arguments
    except AgentError as error:
        raise pytest.UsageError(one_line(str(error))) from error
    _begin_gate(state, arms)
    _skip_left_out(items, arms.head.header.left_out)
    done, total = arms.answered, arms.planned
    state.progress = Progress(total=total, done=done)
    going_on = f"going on with run {arms.head.header.run}: {done} of {total} trials are there" if state.resumed else ""
    if reporter is not None:
        reporter.write_line("\n".join(filter(None, [arms.note, going_on, f"target: {arms.title}"])))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Show the status line below the dots while a trial runs; count the trial, and stop above the budget of faults."""
    state = item.config.stash[_STATE]
    planned = getattr(item, "callspec", None) and item.callspec.params.get("planned")  # type: ignore[attr-defined]
    if state.arms is None or state.progress is None or planned is None:
        return (yield)
    earlier = state.arms.found(planned)
    try:
        with _status(item.config, state.progress.line(planned, time.monotonic())):
            return (yield)
    except (SettingsError, ArmError) as error:
        # The journal cannot be written: going on would measure what may be lost. Or nobody is there to measure.
        then = ", then" if "Next: " in str(error) else ". Next:"
        item.session.shouldstop = f"{error}{then} {state.arms.next_command}"
        pytest.fail(str(error), pytrace=False)
    finally:
        trial = state.arms.found(planned)
        if trial is not None and trial is not earlier:
            state.progress.add(trial, planned.arm)
        if state.arms.over_budget:
            item.session.shouldstop = _over_budget(state.arms)
        if state.gate is not None and state.run is not None:
            state.gate.stop_when_settled(state.run)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Record what the items left out before pytest-benchmark saves, and close the run after it."""
    from evals import saving

    state = session.config.stash[_STATE]
    run = None if state.run is None else state.run.result()
    _judge(session, state)
    try:
        if selects_live(session.config):
            saving.prepare(session.config, run, measured=state.arms is not None and state.arms.measured)
        result = yield
        if state.arms is not None and state.arms.measured and saving.saved_file(session.config) is None:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif state.arms is not None and all(arm.result().complete for arm in state.arms.runs):
            # Without this line the run could only be saved again.
            with contextlib.suppress(SettingsError):
                state.arms.finish()
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
    state = config.stash[_STATE]
    if state.arms is not None:
        output_json |= state.arms.saved(state.limits)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the stacks side by side, and where everything was saved."""
    state = config.stash[_STATE]
    if state.arms is not None and state.arms.measured:
        _write_summary(terminalreporter, config, state, state.arms)
    if state.gate is not None and state.gate.verdict is not None:
        from evals.terminal import write_section
        from evals.verdict_text import verdict_blocks

        terminalreporter.section("verdict")
        write_section(terminalreporter, verdict_blocks(state.gate.verdict), aside=state.gate.verdict.disclaimer)


def _write_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config, state: _State, arms: Arms) -> None:
    from evals.saving import saved_file, why_unsaved
    from evals.terminal import write_section

    terminalreporter.section("evals")
    blocks = arms.summary(state.limits, terminalreporter._tw.fullwidth)
    write_section(terminalreporter, blocks, aside=arms.head.header.target.disclaimer)
    saved = saved_file(config)
    where = f"nothing: {why_unsaved(config)}" if saved is None else _relative(saved)
    journals = ", ".join(_relative(run.journal.file) for run in arms.runs)
    terminalreporter.write_line(f"saved: {where}, journal: {journals}")
    if state.report is not None:
        from evals.report.session import write_session_report

        terminalreporter.write_line(one_line(write_session_report(state.report, arms, state.gate, state.limits)))


@pytest.fixture(scope="session")
def arms(request: pytest.FixtureRequest) -> Arms:
    """The open live runs: one, or the two of an A/B session."""
    arms = request.config.stash[_STATE].arms
    if arms is None:
        pytest.fail("there is no live run; start one with: pytest evals/ -m live", pytrace=False)
    return arms


@pytest.fixture(scope="session")
def live(arms: Arms) -> LiveRun:
    """The open live run; in an A/B session the head's."""
    return arms.head


@pytest.fixture
def judged_at_the_end(request: pytest.FixtureRequest) -> bool:
    """Whether the session has a gate, to whose verdict the floors belong."""
    return request.config.stash[_STATE].gate is not None


@pytest.fixture
def judgements(live: LiveRun, request: pytest.FixtureRequest) -> dict[Series, Judgement]:
    """What the share of valid answers of every series amounts to, of all that was measured so far."""
    return judge_run(live.result(), request.config.stash[_STATE].limits)


def _state(config: pytest.Config) -> _State:
    resumed = resumed_journal(config)
    settings = settings_of(config) if resumed is None else settings_of_resumed(config, resumed)
    stacks = [STACKS[name] for name in settings.stacks]
    tasks, arms = choose_tasks(settings.tasks), settings.arms
    if settings.sequential:
        planned = plan_sequential(tasks, stacks, settings.epochs, settings.seed, settings.regimes)
    else:
        planned = plan(tasks, stacks, settings.epochs, settings.seed, settings.regimes, arms=arms, order=settings.order)
    gate = session_gate(config.getoption, storage_folder(config), ab=arms == BOTH_ARMS, live=selects_live(config))
    if settings.sequential and gate is None:
        raise SettingsError("The run is sequential, so it needs what it is judged against. Next: --baseline NAME")
    return _State(settings, planned, limits_of(config.getoption), resumed, report_file(config), gate=gate)


def _begin_gate(state: _State, arms: Arms) -> None:
    """End the session with INVALID before the first call when its run could never be compared with the baseline."""
    if state.gate is None:
        return
    try:
        state.gate.begin(arms)
    except AgentError as error:
        begun = [] if state.resumed else [run.journal.file for run in arms.runs]
        state.arms = None
        state.opened.close()
        for journal in begun:
            journal.unlink()
        pytest.exit(one_line(f"INVALID: {error}"), returncode=SESSION_EXIT_CODES["INVALID"])


def _judge(session: pytest.Session, state: _State) -> None:
    """Judge what was measured, and have the verdict as the exit code and as properties of the JUnit report."""
    nothing = state.arms is None or not state.arms.measured
    if state.gate is None or session.config.option.collectonly or (nothing and int(session.exitstatus) > 1):
        # What ended the session before a trial has been told.
        return
    verdict = state.gate.end(state.arms)
    session.exitstatus = state.gate.exit_code(int(session.exitstatus))
    from _pytest.junitxml import xml_key

    # What the fixture record_testsuite_property does, which no test can use after the last one.
    if (xml := session.config.stash.get(xml_key, None)) is not None:
        xml.add_global_property("evals.verdict", f"{verdict.verdict}: {verdict.sentence}")
        for finding in verdict.findings:
            xml.add_global_property(f"evals.limit {finding.name}", f"{finding.verdict}: {finding.sentence}")


def _status(config: pytest.Config, line: str) -> contextlib.AbstractContextManager[None]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not reporter.isatty() or not can_move_cursor():
        return contextlib.nullcontext()
    writer = reporter._tw
    return shown_below(writer._file, line, column=writer.width_of_current_line, width=writer.fullwidth)


def _over_budget(arms: Arms) -> str:
    first = min((trial for run in arms.runs for trial in run.result().faulted), key=lambda trial: trial.started)
    return (
        f"more than {arms.head.settings.faults_allowed} trials met an infrastructure fault, the first one {first.fault}."
        f" Next: mend the server, then {arms.next_command}"
    )


def _refuse_other_order(items: list[pytest.Item], planned: tuple[PlannedTrial, ...]) -> None:
    """Refuse items in another order than planned: shuffled trials would no longer be balanced, and aggregates come last."""
    place = {str(trial): index for index, trial in enumerate(planned)}
    asked = [place.get(item.callspec.id, len(place)) if hasattr(item, "callspec") else len(place) for item in items]
    if asked != sorted(asked):
        raise pytest.UsageError(
            "the live trials are not in their planned order; run again without the plugin or option that reorders tests"
        )


def _skip_left_out(items: list[pytest.Item], left_out: Mapping[str, str]) -> None:
    """Skip the items of stacks that do not fit into the server's context, saying why."""
    for item in items:
        params = item.callspec.params.values() if hasattr(item, "callspec") else ()
        for stack in (one.stack for one in params if isinstance(one, PlannedTrial | Series)):
            name = stack if isinstance(stack, str) else stack.name
            if name in left_out:
                item.add_marker(pytest.mark.skip(reason=f"{name} is left out: {left_out[name]}"))


def _open(config: pytest.Config, state: _State) -> contextlib.AbstractContextManager[Arms]:
    from evals.arms import open_arms
    from evals.stores import silent

    reporter = config.pluginmanager.get_plugin("terminalreporter")
    tell = silent if reporter is None else reporter.write_line
    return open_arms(state.settings, state.planned, journals=journal_folder(config), resumed=state.resumed, tell=tell)


def _relative(file: Path) -> str:
    with contextlib.suppress(ValueError):
        return str(file.resolve().relative_to(Path.cwd()))
    return str(file)

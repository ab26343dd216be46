"""The pytest plugin of the memory evals: when they are selected, the bench around them, and their section of the summary."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from agent.errors import AgentError
from agent.printable import one_line
from evals.memory.report import Told, report_blocks
from evals.memory.selection import MARKER, asks_for_memory
from evals.options import selects_live, settings_of

if TYPE_CHECKING:
    from evals.memory.bench import Bench


@dataclass
class _State:
    """What the plugin knows of this session."""

    found: dict[str, Told] = field(default_factory=dict)
    opened: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    bench: Bench | None = None

    def tell(self, told: Told) -> None:
        """Keep what an eval found; a later word of the same eval replaces it."""
        self.found[told.title] = told


_STATE = pytest.StashKey[_State]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin with nothing found."""
    config.stash[_STATE] = _State()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the memory evals out of a live run that does not ask for them, and have them come after its trials."""
    others = [item for item in items if item.get_closest_marker(MARKER) is None]
    ours = [item for item in items if item.get_closest_marker(MARKER) is not None]
    wanted = asks_for_memory(
        (config.option.keyword, config.option.markexpr), config.invocation_params.args, config.invocation_params.dir
    )
    if ours and selects_live(config) and not wanted:
        config.hook.pytest_deselected(items=ours)
        ours = []
    items[:] = [*others, *ours]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Open the bench before the first item, so that what is missing is one error and no test's traceback."""
    config = session.config
    asked = any(item.get_closest_marker(MARKER) for item in session.items)
    broken = session.testsfailed and not config.option.continue_on_collection_errors
    if not asked or config.option.collectonly or broken or not selects_live(config):
        return
    from evals.memory.bench import open_bench

    state = config.stash[_STATE]
    try:
        state.bench = state.opened.enter_context(open_bench(settings_of(config), lambda line: _say(config, line), state.tell))
    except AgentError as error:
        raise pytest.UsageError(one_line(str(error))) from error
    notes = filter(None, [state.bench.target.note, state.bench.target.disclaimer])
    _say(config, "\n".join([*notes, f"memory evals: {state.bench.target}, embedded by {state.bench.embedder.model}"]))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Close the bench."""
    session.config.stash[_STATE].opened.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was found, and where its figures were saved."""
    state = config.stash[_STATE]
    if not state.found:
        return
    from evals.grid import wrapped
    from evals.saving import saved_file
    from evals.terminal import write_section

    terminalreporter.section("memory")
    write_section(terminalreporter, wrapped(report_blocks(state.found.values()), terminalreporter._tw.fullwidth))
    if (saved := saved_file(config)) is not None:
        terminalreporter.write_line(f"\nsaved: {saved}")


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Bench:
    """The open target and embedder of the memory evals."""
    bench = request.config.stash[_STATE].bench
    if bench is None:
        pytest.fail("there is no target; run: pytest evals/ -m live -k memory", pytrace=False)
    return bench


def _say(config: pytest.Config, line: str) -> None:
    """Show a line at once, also while a test runs whose output is captured."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if reporter is None:
        return
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        reporter.ensure_newline()
        reporter.write_line(one_line(line) if "\n" not in line else line)

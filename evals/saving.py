"""Saving runs: pytest-benchmark's folder of files, written so that a file is whole or not there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_benchmark.storage.file import FileStorage
from pytest_benchmark.utils import safe_dumps

from evals.metrics import METRICS
from evals.names import WITHOUT_A_RUN
from evals.recording import record_left_out

if TYPE_CHECKING:
    import pytest

    from evals.run import Run


_TRIES = 20


class AtomicFileStorage(FileStorage):
    """pytest-benchmark's storage, but a run goes to a temporary file, is flushed to disk and then takes its name.

    A name that another process took in the meantime is left to it. ``saved`` is the file that was written last; ``failure`` says
    why there is none, since the trials are in the journal and an exception would only hide that.
    """

    saved: Path | None = None
    failure: str = "nothing was measured"

    def save(self, output_json: dict[str, Any], save: str) -> None:
        """Save a run under the next free number."""
        dumps: Any = safe_dumps
        content = dumps(output_json, ensure_ascii=True, indent=4).encode()
        try:
            self.saved = self._written(content, save)
        except OSError as error:
            self.failure = f"{error}; its trials are in the journal"

    def _written(self, content: bytes, save: str) -> Path:
        import portalocker

        # It is typed as if it opened text files alone.
        open_atomic: Any = portalocker.open_atomic
        for _ in range(_TRIES):
            file: Path = self.get(f"{self._next_num}_{save}.json")  # type: ignore[no-untyped-call]
            try:
                with open_atomic(file) as opened:
                    opened.write(content)
            except FileExistsError:
                if not file.exists():
                    raise
            else:
                return file
        raise FileExistsError(f"{_TRIES} numbers in {self.path} were taken at the moment of saving")


def run_tag() -> str:
    """What pytest-benchmark itself names an autosaved run by: commit and time."""
    from pytest_benchmark import utils

    get_tag: Any = utils.get_tag
    return str(get_tag())


def prepare(config: pytest.Config, run: Run | None, *, measured: bool) -> None:
    """Before pytest-benchmark saves: record what no item recorded, and have the run saved atomically, also where no time counts.

    When nothing was ``measured`` in the session, it is kept from saving, since it would only warn. What was recorded without a run
    is saved under a name of its own, so that it is never taken for the latest run.
    """
    session = _session(config)
    make_atomic(session)
    if run is not None:
        _record_left_out(config, run)
    elif session.autosave:
        session.autosave = f"{WITHOUT_A_RUN}{session.autosave}"
    if not session.benchmarks:
        if measured:
            save_without_entries(config)
        session.autosave = None


def saved_file(config: pytest.Config) -> Path | None:
    """The file that the run was saved in; ``None`` when it was not."""
    storage = _session(config).storage
    # Where pytest-benchmark saves elsewhere than in files, it raises what goes wrong.
    return getattr(storage, "saved", Path(str(storage)))


def why_unsaved(config: pytest.Config) -> str:
    """Why there is no file."""
    return str(_session(config).storage.failure)


def _record_left_out(config: pytest.Config, run: Run) -> None:
    for series in run.settings.series:
        for metric in METRICS:
            record_left_out(config, series, metric, run)


def _session(config: pytest.Config) -> Any:
    return config._benchmarksession  # type: ignore[attr-defined]


def make_atomic(session: Any) -> None:
    """Have pytest-benchmark's session save atomically, where it saves to files."""
    storage = session.storage
    if type(storage) is FileStorage:
        atomic: Any = AtomicFileStorage
        session.storage = atomic(storage.path, storage.logger, storage.default_machine_id)


def save_without_entries(config: pytest.Config) -> None:
    """Save a run of which no time counts: pytest-benchmark saves nothing that has no entry."""
    session, hook = _session(config), config.hook
    commit_info = hook.pytest_benchmark_generate_commit_info(config=config)
    about = {"machine_info": session.get_machine_info(), "commit_info": commit_info}
    output: dict[str, Any] = hook.pytest_benchmark_generate_json(config=config, benchmarks=[], include_data=True, **about)
    hook.pytest_benchmark_update_json(config=config, benchmarks=[], output_json=output)
    session.storage.save(output, session.save or session.autosave)

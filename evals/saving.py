"""Saving runs: pytest-benchmark's folder of files, written so that a file is whole or not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_benchmark.storage.file import FileStorage
from pytest_benchmark.utils import safe_dumps


class AtomicFileStorage(FileStorage):
    """pytest-benchmark's storage, but a run goes to a temporary file, is flushed to disk and then takes its name.

    A name that another process took in the meantime is left to it. ``saved`` is the file that was written last.
    """

    saved: Path | None = None

    def save(self, output_json: dict[str, Any], save: str) -> None:
        """Save a run under the next free number."""
        from portalocker import open_atomic

        dumps: Any = safe_dumps
        file: Path = self.get(f"{self._next_num}_{save}.json")  # type: ignore[no-untyped-call]
        content = dumps(output_json, ensure_ascii=True, indent=4).encode()
        try:
            with open_atomic(file) as opened:
                opened.write(content)
        except FileExistsError:
            return self.save(output_json, save)
        self.saved = file
        self.logger.info(f"Saved benchmark data in: {file}")
        return None


def make_atomic(session: Any) -> None:
    """Have pytest-benchmark's session save atomically, where it saves to files."""
    storage = session.storage
    if type(storage) is FileStorage:
        atomic: Any = AtomicFileStorage
        session.storage = atomic(storage.path, storage.logger, storage.default_machine_id)

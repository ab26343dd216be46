"""The journal: one JSON line for the run, then one for every trial, on disk before the next call."""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

from agent.errors import SettingsError
from evals.trials import Trial


class Journal:
    """The journal of one run; two runs never share a file.

    ``folder`` is made when needed. Every line is flushed to disk before :meth:`add` returns.

    Raises:
        SettingsError: when the folder cannot be written to.
    """

    def __init__(self, folder: Path, run: dict[str, Any]) -> None:
        self.file = folder / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(4)}.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lines = self.file.open("x", encoding="utf-8")
        except OSError as error:
            raise SettingsError(
                f"The journal {self.file} cannot be written: {error}. Next: choose a --benchmark-storage"
            ) from error
        self._write({"run": run})

    def add(self, trial: Trial) -> None:
        """Append one trial."""
        self._write({"trial": trial.to_dict()})

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()
        os.fsync(self._lines.fileno())

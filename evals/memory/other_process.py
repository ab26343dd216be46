"""``python -m evals.memory.other_process FOLDER URL MODEL DIMENSIONS``: what another process finds in a memory, as one JSON object.

Exit 0 with the preferences and the contexts of all tasks; 2 with one line when the memory cannot be opened or read.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.errors import AgentError
from agent.mem0_store import MemorySettings, open_memory
from agent.targets.embedder import Embedder
from agent.targets.target import shield_loopback_from_proxies
from evals.measurer import USER_ID
from fixtures.data import load_tasks


def main(arguments: Sequence[str]) -> int:
    """Read the memory and print what it holds."""
    folder, url, model, dimensions = arguments
    shield_loopback_from_proxies()
    embedder = Embedder(url, model, int(dimensions), os.environ.get("EVALS_API_KEY", ""))
    try:
        with contextlib.closing(open_memory(MemorySettings(Path(folder), embedder=embedder))) as memory:
            contexts = [memory.retrieve_context(task.request, USER_ID).facts for task in load_tasks()]
            print(json.dumps({"preferences": memory.preferences(USER_ID), "contexts": contexts}))
    except AgentError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

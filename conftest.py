"""What must be set before anything is imported, and the plugins of this project."""

import os

# Mem0 reads this at import; with telemetry on it calls out and locks a folder in the user's home.
os.environ["MEM0_TELEMETRY"] = "False"

pytest_plugins = ["evals.plugin", "evals.memory.plugin", "fixtures.pytest_fixtures"]

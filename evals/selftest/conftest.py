"""What every self-test starts from: an environment without the settings of whoever runs it, restored at the end."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import settings

# The first example of a test may import scipy, and examples that are kept would be left behind.
settings.register_profile("selftest", deadline=None, database=None)
settings.load_profile("selftest")

_SETTINGS = ("EVALS_", "OLLAMA_", "OPENAI_", "MEM0_API_KEY", "QDRANT_API_KEY")
_STYLE = ("FORCE_COLOR", "NO_COLOR", "PY_COLORS", "TTY_COMPATIBLE")
"""What styles the output, or does not, wherever it goes."""

_XDIST = "PYTEST_XDIST_"
"""A session that a test starts is no worker of the one that runs the test."""

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_SET_BY_THE_AGENT = ("NO_PROXY", "no_proxy", "MEM0_DIR", "MEM0_TELEMETRY")


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name in list(os.environ):
            if name.startswith((*_SETTINGS, *_STYLE, _XDIST)) or name.upper() in _PROXIES:
                environment.delenv(name)
        for name in _SET_BY_THE_AGENT:
            # Set here first, so that it is restored.
            environment.setenv(name, os.environ.get(name, ""))
        yield


@pytest.fixture
def leftovers_collected() -> Iterator[None]:
    """Qdrant's lock file and Mem0's socket, which both leave to the collector when opening fails, go without their warning."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()

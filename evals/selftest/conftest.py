"""What every self-test starts from: an environment without the settings of whoever runs it, restored afterwards."""

from __future__ import annotations

import os

import pytest

_SETTINGS = ("EVALS_", "OLLAMA_", "OPENAI_", "MEM0_API_KEY")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(_SETTINGS) or name.upper() in _PROXIES:
            monkeypatch.delenv(name)
    # The agent sets these itself; set here first, they are restored.
    for name in ("NO_PROXY", "no_proxy", "MEM0_DIR", "MEM0_TELEMETRY"):
        monkeypatch.setenv(name, os.environ.get(name, ""))

"""Studies as a user starts them, against a scripted model with a known ground truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agent.decoding import response_format
from agent.stacks import STACKS, Decoding
from evals.__main__ import main
from evals.schedule import REGIMES
from evals.selftest.live_session import CHAT, Finished, live_session, prompt_length, pytest_session, routes, valid
from evals.selftest.scripted_server import Response, ScriptedServer, chat_stream, scripted_server
from evals.studies import STUDIES


def heedless(body: dict[str, Any]) -> Response:
    """Answers validly, but with prose to whoever asks for JSON: a server that does not know ``response_format``."""
    return chat_stream(["Here it is!"], prompt_tokens=prompt_length(body)) if "response_format" in body else valid(body)


@pytest.fixture(scope="module")
def ignored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Finished, ScriptedServer]]:
    """A run of two tasks whose server ignores what it is asked to hold answers to."""
    stacks = ("--stack", "naive", "--stack", "naive-with-json-mode", "--stack", "naive-with-json-schema")
    with scripted_server(routes(heedless)) as server:
        where = tmp_path_factory.mktemp("ignored")
        yield live_session(server.url, where, *stacks, "--task", "retry-call", "--task", "group-by", "--epochs", "1", "-rx"), server


def test_a_decoding_that_the_server_ignores_is_told(ignored: tuple[Finished, ScriptedServer]) -> None:
    """The finding names the modes as not honoured, and neither the summary nor the reasons blame the model."""
    output = ignored[0].output
    assert "schema-valid answers, warm: JSON mode: not honoured; JSON schema: not honoured." in output
    assert "2 of 2 answers ended by themselves and are not what was asked for" in output
    assert output.count("decoding ignored: the server did not hold the answer to response_format") == 4
    assert "4 answer(s) were not held to the decoding asked for" in output


def test_stacks_ask_for_their_decoding(ignored: tuple[Finished, ScriptedServer]) -> None:
    """Each stack's calls, those of the look whether prompts fit left out, carry the ``response_format`` of its decoding."""
    bodies = ignored[1].bodies(CHAT)[6:]
    asked = [body.get("response_format") for body in bodies]
    decodings: tuple[Decoding, ...] = ("json", "schema")
    for decoding in decodings:
        assert asked.count(response_format(decoding)["response_format"]) == 2
    assert asked.count(None) == 2


def test_a_saved_run_is_shown_again(ignored: tuple[Finished, ScriptedServer], capsys: pytest.CaptureFixture[str]) -> None:
    """``python -m evals show`` prints the tables and the finding of a saved run once more."""
    storage = str(ignored[0].storage)
    assert main(["show", "latest", "--storage", storage]) == 0
    shown = capsys.readouterr().out
    assert "JSON schema: not honoured." in shown
    assert "naive-with-json-schema" in shown


def test_the_prefix_cache_study_is_blocked_and_saved(tmp_path_factory: pytest.TempPathFactory) -> None:
    """``--prefix-cache`` measures three stacks in both regimes, each on all tasks in a row, and is saved under its name."""
    with scripted_server(routes(valid)) as server:
        where = tmp_path_factory.mktemp("prefix")
        finished = live_session(server.url, where, "--prefix-cache", "--task", "retry-call", "--task", "group-by", "--epochs", "1")
    settings = finished.run.settings
    assert (settings.study, settings.order, settings.regimes) == ("prefix-cache", "blocked", REGIMES)
    assert settings.stacks == STUDIES["prefix-cache"].stacks
    for first, second in zip(finished.run.trials[::2], finished.run.trials[1::2], strict=True):
        assert (first.stack, first.regime) == (second.stack, second.regime)
    assert "contract in the static prefix instead of last (optimized-with-static-contract against optimized)" in finished.output
    assert "not reported, not reported" in finished.output


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_stacks_that_are_there(name: str) -> None:
    """The stacks of a study exist, each once."""
    stacks = STUDIES[name].stacks
    assert set(stacks) <= set(STACKS)
    assert len(set(stacks)) == len(stacks) > 1


@pytest.mark.parametrize("other", [("--ab-model", "m"), ("--sequential", "--baseline", "latest")])
def test_a_study_has_an_order_of_its_own(other: tuple[str, ...]) -> None:
    """A study together with an A/B session or early stop is refused before anything is measured."""
    finished = pytest_session(None, "-m", "live", "--growth", *other, "--collect-only", "-q")
    assert finished.code == 4
    assert "--growth does not go with --ab, --ab-model or --sequential" in finished.output


def test_two_studies_are_two_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Two studies at once are refused before anything is measured, and nothing is planned for them; the same one twice is one."""
    finished = pytest_session(None, "-m", "live", "--ablation", "--growth", "--collect-only", "-q")
    assert finished.code == 4
    assert "--ablation and --growth are 2 questions" in finished.output
    assert main(["plan", "--growth", "--prefix-cache"]) == 2
    assert "--growth and --prefix-cache are 2 questions" in capsys.readouterr().err
    assert main(["plan", "--prefix-cache", "--prefix-cache"]) == 0


def test_a_study_has_its_own_stacks_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """``--stack`` chooses among the stacks of a study; another one, of which its tables say nothing, is refused."""
    assert main(["plan", "--growth", "--stack", "naive"]) == 2
    assert "--growth has no stack naive; it has: naive-0-turns" in capsys.readouterr().err
    assert main(["plan", "--growth", "--stack", "naive-0-turns"]) == 0

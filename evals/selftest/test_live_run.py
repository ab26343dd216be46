"""Live runs as a user starts them, against a scripted model with a known ground truth."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.sampling import derive_seed
from evals.recording import clock
from evals.schedule import plan
from evals.selftest.live_session import (
    ANSWER,
    CHAT,
    ROOT,
    Finished,
    faulty_first_try,
    live_session,
    prompt_length,
    pytest_session,
    routes,
    valid,
)
from evals.selftest.scripted_server import ScriptedServer, chat_stream, scripted_server
from fixtures.data import load_history, load_preferences, load_tasks

TASKS = ("dashboard-card", "download-sizes", "dark-theme")
CHOICE = ("--task", "da[rs]*", "--task", "download-sizes", "--epochs", "2", "--seed", "5")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Finished, ScriptedServer]]:
    """One complete run of three tasks and two epochs, in which every first try is invalid."""
    with scripted_server(routes(faulty_first_try)) as server:
        yield live_session(server.url, tmp_path_factory.mktemp("storage"), *CHOICE), server


@pytest.fixture
def finished(session: tuple[Finished, ScriptedServer]) -> Finished:
    """What the run left."""
    return session[0]


@pytest.fixture
def asked(session: tuple[Finished, ScriptedServer]) -> list[dict[str, Any]]:
    """The chat requests of the run's trials: those after the four that look whether the prompts fit."""
    return session[1].bodies(CHAT)[4:]


def test_invalid_answers_are_expected_failures(finished: Finished) -> None:
    """A trial whose answer is invalid is an expected failure with its reason, and no failure of the session's."""
    assert "6 xfailed" in finished.output
    assert "1 failed" in finished.output  # the floor under the optimized stack: three tasks cannot clear it


def test_every_stack_has_its_verdict(finished: Finished) -> None:
    """The summary and the saved run hold the share of every stack with its interval, and its verdict."""
    assert "naive-warm: NOT JUDGED, 0% valid [0%, 71%] over 3 tasks; it has no floor" in finished.output
    assert "optimized-warm: INCONCLUSIVE, 100% valid [29%, 100%] over 3 tasks" in finished.output
    judgements = finished.saved["evals"]["judgements"]
    assert {stack: judged["verdict"] for stack, judged in judgements.items()} == {
        "naive-warm": "NOT JUDGED",
        "optimized-warm": "INCONCLUSIVE",
    }
    assert judgements["optimized-warm"]["share"]["value"] == 1.0


def test_the_floor_is_inconclusive_for_three_tasks(finished: Finished) -> None:
    """A share over three tasks that does not clear the floor fails as inconclusive and says what would settle it."""
    assert "INCONCLUSIVE: 100% valid [29%, 100%] over 3 tasks" in finished.output
    assert "if the share stayed the same, 6 tasks would settle it" in finished.output


def test_every_planned_trial_is_saved_once_and_in_order(finished: Finished) -> None:
    """The saved trials are the plan, in its order, and the journal's."""
    tasks = [task for task in load_tasks() if task.id in TASKS]
    from agent.stacks import DEFAULT_STACKS, STACKS

    expected = [list(planned.key) for planned in plan(tasks, [STACKS[name] for name in DEFAULT_STACKS], 2, 5)]
    saved = finished.saved["evals"]["trials"]
    assert [[trial["epoch"], trial["task"], trial["stack"], trial["regime"]] for trial in saved] == expected
    assert saved == finished.journalled


def test_token_counts_equal_the_servers(finished: Finished, asked: list[dict[str, Any]]) -> None:
    """The recorded prompt tokens of every attempt are those that the server counted."""
    attempts = [attempt for trial in finished.saved["evals"]["trials"] for attempt in trial["attempts"]]
    assert [attempt["completion"]["prompt_tokens"] for attempt in attempts] == [prompt_length(body) for body in asked]


def test_sampling_is_always_sent(asked: list[dict[str, Any]]) -> None:
    """Every request carries temperature, top_p and max_tokens."""
    assert {(body["temperature"], body["top_p"], body["max_tokens"]) for body in asked} == {(0.2, 0.95, 1024)}


def test_seeds_are_sent_and_equal_across_stacks(finished: Finished, asked: list[dict[str, Any]]) -> None:
    """A trial's seed follows from run seed, task and epoch, so both stacks draw the same, and it is the one that was sent."""
    trials = finished.saved["evals"]["trials"]
    assert all(trial["seed"] == derive_seed(5, trial["task"], trial["epoch"]) for trial in trials)
    assert [body["seed"] for body in asked] == [trial["seed"] for trial in trials for _ in trial["attempts"]]


def test_the_naive_stack_sends_the_history_and_never_retries(asked: list[dict[str, Any]]) -> None:
    """A naive request is rules, 18 turns and the request; none is a correction."""
    history = [message.to_dict() for message in load_history()]
    naive = [body["messages"] for body in asked if len(body["messages"]) > 4]
    assert len(naive) == 6
    assert all(messages[1:-1] == history for messages in naive)


def test_the_optimized_stack_sends_five_facts_and_corrects_once(asked: list[dict[str, Any]]) -> None:
    """An optimized request has five of the six preferences and no history; its correction repeats it with the failed answer."""
    texts = [f"- {preference.text}" for preference in load_preferences()]
    first = [body["messages"] for body in asked if len(body["messages"]) == 2]
    corrections = [body["messages"] for body in asked if len(body["messages"]) == 4]
    assert len(first) == len(corrections) == 6
    assert all(sum(text in messages[0]["content"] for text in texts) == 5 for messages in first)
    assert all(messages[2]["content"] == f"Sure! {ANSWER}" for messages in corrections)


def test_entries_hold_the_real_distributions(finished: Finished) -> None:
    """The pytest-benchmark entries hold, value by value, what the trials measured; retrieval only where memory is asked."""
    entries = {entry["name"]: entry["stats"]["data"] for entry in finished.saved["benchmarks"]}
    expected: dict[str, list[float | None]] = {}
    for series in finished.run.header.settings.series:
        trials = [trial for trial in finished.run.trials if trial.series == series]
        expected |= {
            f"test_ttft[{series}]": [trial.first.completion.ttft for trial in trials],
            f"test_decode[{series}]": [trial.first.completion.decode for trial in trials],
            f"test_latency[{series}]": [trial.latency for trial in trials],
        }
    asking = [trial.retrieval_seconds for trial in finished.run.trials if trial.stack == "optimized"]
    assert entries == expected | {"test_retrieval[optimized-warm]": asking}


def test_entries_carry_tokens_and_outcomes(finished: Finished) -> None:
    """extra_info has the token distributions, the number of attempts and the outcomes of every trial."""
    entry = next(entry for entry in finished.saved["benchmarks"] if entry["name"] == "test_latency[optimized-warm]")
    info = entry["extra_info"]
    assert (info["attempts"], info["rung_first"], info["cause_first"]) == ([2] * 6, ["answered"] * 6, ["prose around JSON"] * 6)
    assert (info["regime"], len(info["rung"])) == ("warm", 6)
    assert len(info["prompt_tokens"]["values"]) == info["prompt_tokens"]["n"] == 6
    assert info["completion_tokens"]["p50"] > 0
    assert info["complete"] is True
    assert entry["options"]["timer"] == clock.__name__


def test_the_summary_shows_the_stacks_side_by_side(finished: Finished) -> None:
    """The terminal ends with the target, the table and where the run was saved."""
    lines = finished.output.splitlines()
    rows = {line[:24].strip(): line[24:].split() for line in lines if line.startswith(("trials", "valid", "tokens per"))}
    assert rows["trials (n)"] == ["6", "6"]
    assert rows["valid at first try"] == ["0%", "0%", "-"]
    assert rows["valid after retry"] == ["0%", "100%", "-"]
    assert any(line.startswith("target: scripted on 127.0.0.1") for line in lines)
    assert any(line.startswith("saved: ") for line in lines)


def test_pytest_benchmark_opens_a_saved_run(finished: Finished) -> None:
    """pytest-benchmark's own compare command reads the file."""
    command = [sys.executable, "-m", "pytest_benchmark", f"--storage=file://{finished.storage}", "compare", "0001"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 0
    assert "test_ttft[optimized-warm]" in shown.stdout


def test_a_saved_run_has_no_volatile_machine_facts(finished: Finished) -> None:
    """The CPU's momentary clock is left out."""
    assert not any(name.startswith("hz_actual") for name in finished.saved["machine_info"]["cpu"])


def test_a_deselected_aggregate_loses_nothing(tmp_path: Path) -> None:
    """With -k that leaves out trials and aggregates, what was measured is saved, marked incomplete and not judged."""
    with scripted_server(routes(valid)) as server:
        finished = live_session(server.url, tmp_path, *CHOICE, "-k", "e1-dashboard")
    assert finished.code == 0
    assert "INCOMPLETE: of 12 planned trials 10 were not run and 0 met" in finished.output
    assert (finished.run.complete, len(finished.run.missing)) == (False, 10)
    assert len(finished.saved["benchmarks"]) == 7
    assert not any(entry["extra_info"]["complete"] for entry in finished.saved["benchmarks"])


def test_left_out_aggregates_of_a_complete_run_say_so(tmp_path: Path) -> None:
    """When -k leaves out only the aggregates, their entries are saved and the run is complete."""
    with scripted_server(routes(valid)) as server:
        finished = live_session(server.url, tmp_path, "--stack", "naive", "--epochs", "1", "-k", "test_trial")
    assert (finished.code, finished.run.complete) == (0, True)
    assert [entry["extra_info"]["complete"] for entry in finished.saved["benchmarks"]] == [True] * 3


def test_aggregates_do_not_judge_an_incomplete_run(tmp_path: Path) -> None:
    """With trials missing the floor is inconclusive, whatever the others show."""
    with scripted_server(routes(valid)) as server:
        finished = live_session(server.url, tmp_path, *CHOICE, "-k", "e1 or schema")
    assert finished.code == 1
    assert "INCONCLUSIVE: an incomplete run, 6 of 12 planned trials were not run" in finished.output


def test_runxfail_does_not_change_outcomes(tmp_path: Path) -> None:
    """Outcomes come from the journal: --runxfail turns reports green and leaves the record as it was."""
    with scripted_server(routes(lambda body: chat_stream(["No."], prompt_tokens=prompt_length(body)))) as server:
        finished = live_session(server.url, tmp_path, "--task", "dark-theme", "--epochs", "1", "--stack", "naive", "--runxfail")
    assert finished.code == 0
    (outcome,) = [trial.last.outcome for trial in finished.run.trials]
    assert outcome.failure == "not JSON: the answer does not begin with {; it must be the JSON object alone"


def test_an_answer_without_content_is_invalid_and_has_no_ttft(tmp_path: Path) -> None:
    """An empty answer is recorded with no TTFT, and the TTFT that was never measured is said to be missing."""
    with scripted_server(routes(lambda body: chat_stream([], prompt_tokens=prompt_length(body)))) as server:
        finished = live_session(server.url, tmp_path, "--task", "dark-theme", "--epochs", "1", "--stack", "naive")
    assert finished.run.trials[0].first.completion.ttft is None
    assert "INCONCLUSIVE: nothing was measured for naive-warm: no trial has a ttft" in finished.output


@pytest.mark.parametrize(
    ("target", "tried", "next_step"),
    [
        ("http://127.0.0.1:1/v1", "http://127.0.0.1:1/v1/models cannot be reached", "check --target"),
        ("ollama", "Ollama does not answer", "ollama pull gemma3:4b && ollama pull nomic-embed-text"),
        ("ftp://example", "ftp://example", "http:// or https://"),
    ],
)
def test_a_target_that_is_not_there_is_one_error(tmp_path: Path, target: str, tried: str, next_step: str) -> None:
    """A target asked for by name that is not there ends the session at once: what was tried, what to run next, no traceback."""
    finished = pytest_session(tmp_path, "-m", "live", "--target", target, environment={"OLLAMA_HOST": "127.0.0.1:1"})
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert tried in finished.output
    assert next_step in finished.output
    assert "Traceback" not in finished.output


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--stack", "clever"], "--stack clever is unknown; there are: naive, optimized"),
        (["--task", "nope*"], "--task nope* matches no task of full; there are: dashboard-card"),
        (["--epochs", "0"], "--epochs is a number from 1 to 100000; this is 0"),
        (["--max-tokens", "0"], "--max-tokens is 1 or more; this is 0"),
        (["--deadline", "0"], "--deadline is more than 0"),
        (["--deadline", "nan"], "--deadline is more than 0"),
        (["--fault-budget", "2"], "--fault-budget is a share from 0 to 1; this is 2.0"),
        (["--resume"], "Next: begin one with pytest evals/ -m live"),
        (["--ff"], "live runs do not take --ff"),
        (["--benchmark-cprofile=cumtime"], "live runs do not take --benchmark-cprofile"),
        (["--benchmark-disable"], "live runs do not take --benchmark-disable"),
        (["-p", "no:benchmark"], "run again without -p no:benchmark"),
    ],
)
def test_unfit_options_are_refused(tmp_path: Path, options: list[str], complaint: str) -> None:
    """An option that is unknown, or that would falsify a live run, ends the session before anything is opened."""
    storage = None if "no:benchmark" in options else tmp_path / "runs"
    finished = pytest_session(storage, "-m", "live", "-o", f"cache_dir={tmp_path}", *options)
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert complaint in finished.output


def test_live_evals_need_m_live(tmp_path: Path) -> None:
    """Live evals that are selected in another way are refused, since nothing would be saved."""
    finished = pytest_session(tmp_path, "-m", "", "-k", "test_trial")
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert "run: pytest evals/ -m live" in finished.output


def test_a_plugin_that_reorders_trials_is_refused(tmp_path: Path) -> None:
    """Trials in another order than planned are not balanced any more, so they are not run."""
    (tmp_path / "shuffler.py").write_text("def pytest_collection_modifyitems(items):\n    items.reverse()\n", encoding="utf-8")
    finished = pytest_session(tmp_path, "-m", "live", "-p", "shuffler", environment={"PYTHONPATH": str(tmp_path)})
    assert finished.code == pytest.ExitCode.USAGE_ERROR
    assert "not in their planned order" in finished.output


def test_collection_without_live_holds_self_tests_only(tmp_path: Path) -> None:
    """Without -m live only the offline self-tests are collected."""
    finished = pytest_session(tmp_path, "--collect-only", "-q")
    collected = [line for line in finished.output.splitlines() if "::" in line]
    assert collected
    assert all(line.startswith("evals/selftest/") for line in collected)


def test_collecting_imports_nothing_heavy(tmp_path: Path) -> None:
    """Collecting the live evals imports neither mem0, nor openai, nor the engine, nor scipy."""
    arguments = ["evals/test_stacks.py", "-m", "live", "--collect-only", "-q", "-p", "no:cacheprovider"]
    program = (
        "import json, sys, pytest\n"
        f"code = pytest.main({[*arguments, f'--benchmark-storage=file://{tmp_path}']!r})\n"
        "print(json.dumps([int(code), *sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    code, *modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 0
    assert {"evals.plugin", "evals.test_stacks"} <= set(modules)
    assert set(modules).isdisjoint({"mem0", "openai", "xllamacpp", "scipy", "numpy", "rich.table", "tree_sitter", "jsonschema"})

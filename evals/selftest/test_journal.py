"""The journal."""

from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest

from agent.errors import RunFileError, SettingsError
from agent.prompts import Message
from evals.journal import Journal, find_journal, new_run_id, read_journal, resume_command
from evals.messages import MessageStore
from evals.selftest.factories import TIMEOUT, header, trial
from evals.trials import Trial

HEADER = header()


def journal_with(folder: Path, *trials: Trial) -> Path:
    """A closed journal that holds these trials."""
    journal = Journal.create(folder, HEADER.run, HEADER)
    for one in trials:
        journal.add(one, {})
    journal.close()
    return journal.file


def test_every_trial_is_on_disk_before_the_next(tmp_path: Path) -> None:
    """After add returns, another reader of the file sees the trial."""
    journal = Journal.create(tmp_path, HEADER.run, HEADER)
    for count in range(1, 4):
        journal.add(trial(True, epoch=count), {})
        assert len(read_journal(journal.file).trials) == count
    journal.close()


def test_every_line_is_flushed_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is forced to the disk itself, beyond the system's cache, before its writer returns."""
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    file = journal_with(tmp_path, trial(True, task="a"), trial(True, task="b"))
    ends = [place + 1 for place, byte in enumerate(file.read_bytes()) if byte == ord("\n")]
    assert sizes == ends


def test_a_full_disk_is_one_error_and_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that cannot be written is an error that says what to do; what was written before it can be read."""
    journal = Journal.create(tmp_path, HEADER.run, HEADER)
    journal.add(trial(True, task="a"), {})

    class Full:
        def __init__(self, lines: IO[bytes]) -> None:
            self._lines = lines

        def write(self, content: bytes) -> int:
            return self._lines.write(content[:40])

        def __getattr__(self, name: str) -> Any:
            return getattr(self._lines, name)

    monkeypatch.setattr(journal, "_lines", Full(journal._lines))
    with pytest.raises(SettingsError, match=r"No space left.*Next: free space"):
        journal.add(trial(True, task="b"), {})
    journal.close()
    assert [key[1] for key in read_journal(journal.file).trials] == ["a"]


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    """Header, trials and messages come back as they were, attempts and faults included."""
    store = MessageStore()
    store.add([Message("system", "Rules."), Message("user", "Grüße 🚀 \x00")])
    first, second = trial(False, True), trial(task="b", fault=TIMEOUT)
    journal = Journal.create(tmp_path, HEADER.run, HEADER)
    journal.add(first, store.take_new())
    journal.add(second, store.take_new())
    journal.close()
    found = read_journal(journal.file)
    assert (found.header, list(found.trials.values()), found.messages) == (HEADER, [first, second], store.known)
    assert found.finished is False


def test_a_message_is_written_once(tmp_path: Path) -> None:
    """A message that many trials sent stands in one line only."""
    store = MessageStore()
    journal = Journal.create(tmp_path, HEADER.run, HEADER)
    for epoch in range(1, 4):
        store.add([Message("system", "The rules of all trials.")])
        journal.add(trial(True, epoch=epoch), store.take_new())
    journal.close()
    assert journal.file.read_text(encoding="utf-8").count("The rules of all trials.") == 1


def test_runs_never_share_a_name() -> None:
    """Runs that begin in the same second have different names."""
    assert len({new_run_id() for _ in range(50)}) == 50


def test_a_torn_line_is_cut_off_and_written_anew(tmp_path: Path) -> None:
    """A journal whose last line was being written when the process died goes on after its last whole line, however long it was."""
    file = journal_with(tmp_path, trial(True, task="a"), trial(True, task="b"))
    whole = file.read_bytes()
    torn = whole.rindex(b"\n", 0, -1) + 40
    file.write_bytes(whole[:torn] + b"x" * 10_000)
    journal, before = Journal.resume(file)
    journal.add(trial(True, task="b"), {})
    journal.close()
    assert [key[1] for key in before.trials] == ["a"]
    assert file.read_bytes() == whole


def test_a_journal_cut_off_anywhere_is_read_or_refused(tmp_path: Path) -> None:
    """Whatever number of bytes is lost at the end, what is whole is read, and a journal without a header is one clear error."""
    file = journal_with(tmp_path, trial(True, task="a"))
    whole = file.read_bytes()
    header_ends = whole.index(b"\n") + 1
    for kept in range(0, len(whole) + 1, 7):
        file.write_bytes(whole[:kept])
        if kept < header_ends:
            with pytest.raises(RunFileError, match="cut off before it began"):
                read_journal(file)
        else:
            assert len(read_journal(file).trials) == (kept == len(whole))


def test_a_trial_without_its_messages_is_refused(tmp_path: Path) -> None:
    """A journal that a saved run could not be made of is refused when it is read."""
    sent = trial(True)
    sent = replace(sent, attempts=(replace(sent.first, messages=("0" * 32,)),))
    with pytest.raises(RunFileError, match=f"line 2: message {'0' * 32} is not among the messages"):
        read_journal(journal_with(tmp_path, sent))


def test_a_journal_without_a_whole_line_is_refused(tmp_path: Path) -> None:
    """A run that was killed while its header was being written never began."""
    file = tmp_path / "x.jsonl"
    file.write_bytes(b'{"run": {"form')
    with pytest.raises(RunFileError, match="cut off before it began"):
        read_journal(file)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{nonsense}\n", r"line 2, column 2: Expecting property name"),
        (b'{"trial": {"epoch": NaN}, "messages": {}}\n', "line 2, column 21: NaN is not JSON"),
        (b'{"trial": {}, "messages": {}}\n', "line 2.trial: 'epoch' is a required property"),
        (b'{"finished": true, "finished": true}\n', 'line 2, column 20: the key "finished" appears twice'),
        (b"\xff\n", "line 2, byte 0: it is no UTF-8"),
        (b"[]\n", "line 2: .* is not of type 'object'"),
        (b"[" * 100_000 + b"\n", "nested too deeply"),
    ],
)
def test_a_damaged_line_is_refused_with_its_place(tmp_path: Path, line: bytes, reason: str) -> None:
    """Damage elsewhere than at the end is an error that names the file, the line and the reason."""
    file = journal_with(tmp_path)
    file.write_bytes(file.read_bytes() + line)
    with pytest.raises(RunFileError, match=reason) as raised:
        read_journal(file)
    assert str(file) in str(raised.value)


def test_a_changed_message_is_noticed(tmp_path: Path) -> None:
    """A message whose content does not have its hash is refused."""
    store = MessageStore()
    store.add([Message("user", "Write it")])
    journal = Journal.create(tmp_path, HEADER.run, HEADER)
    journal.add(trial(True), store.take_new())
    journal.close()
    journal.file.write_text(journal.file.read_text(encoding="utf-8").replace("Write it", "Write that"), encoding="utf-8")
    with pytest.raises(RunFileError, match="another content than its hash"):
        read_journal(journal.file)


def test_an_answered_trial_stands_there_once(tmp_path: Path) -> None:
    """Two answers for one trial are a contradiction, not a choice."""
    with pytest.raises(RunFileError, match="has an answer in a line before"):
        read_journal(journal_with(tmp_path, trial(True), trial(False)))


def test_a_trial_after_a_fault_supersedes_it(tmp_path: Path) -> None:
    """A trial that a fault ended and that was run again counts as its last line has it."""
    again = trial(True)
    assert list(read_journal(journal_with(tmp_path, trial(fault=TIMEOUT), again)).trials.values()) == [again]


def test_a_format_of_another_time_is_refused(tmp_path: Path) -> None:
    """A journal of another format is refused by its number, before anything else is said."""
    file = tmp_path / "old.jsonl"
    file.write_text(json.dumps({"run": {"version": 1}}) + "\n", encoding="utf-8")
    with pytest.raises(RunFileError, match="has format 1, and this version reads format 4 alone"):
        read_journal(file)


def _resume_and_report(file: Path, queue: multiprocessing.SimpleQueue[str]) -> None:
    try:
        Journal.resume(file)
    except RunFileError as error:
        queue.put(str(error))
    else:
        queue.put("opened")


def test_two_processes_never_share_a_journal(tmp_path: Path) -> None:
    """A journal that is open cannot be resumed by another process, and can once it is closed."""
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.SimpleQueue[str] = context.SimpleQueue()
    journal = Journal.create(tmp_path, HEADER.run, HEADER)
    answers = []
    for _ in range(2):
        process = context.Process(target=_resume_and_report, args=(journal.file, queue))
        process.start()
        process.join()
        answers.append(queue.get())
        journal.close()
    assert "belongs to a run that is going on in another process" in answers[0]
    assert answers[1] == "opened"


def test_a_folder_that_cannot_be_written_to_is_an_error(tmp_path: Path) -> None:
    """A journal that cannot be opened is one error that names it and the option to change."""
    (tmp_path / "journals").write_text("a file, no folder", encoding="utf-8")
    with pytest.raises(SettingsError, match="--benchmark-storage"):
        Journal.create(tmp_path / "journals", HEADER.run, HEADER)


def test_journals_are_found_by_name_and_path(tmp_path: Path) -> None:
    """A journal is found by the name of its run and by its path; what is not there lists what could go on."""
    file = journal_with(tmp_path)
    assert find_journal(tmp_path, file.stem) == file
    assert find_journal(tmp_path / "elsewhere", str(file)) == file
    with pytest.raises(RunFileError, match=f"there is no such run .*{file.stem}"):
        find_journal(tmp_path, "evals/")
    with pytest.raises(RunFileError, match="begin one with pytest evals/ -m live"):
        find_journal(tmp_path / "empty", "latest")


def test_the_latest_is_the_newest_that_is_not_complete(tmp_path: Path) -> None:
    """A complete run, or one that never began, does not hide one that was cut off before it."""
    for day, finished in ((1, False), (2, False), (3, True)):
        journal = Journal.create(tmp_path, f"2026010{day}-000000-aa", HEADER)
        if finished:
            journal.finish()
        journal.close()
    (tmp_path / "notes.jsonl").write_text("{}\n", encoding="utf-8")
    (tmp_path / "20260104-000000-aa.jsonl").write_text('{"run": {"form', encoding="utf-8")
    assert find_journal(tmp_path, "latest").stem == "20260102-000000-aa"
    assert find_journal(tmp_path, "20260103-000000-aa").stem == "20260103-000000-aa"


def test_the_command_that_goes_on_names_another_storage(tmp_path: Path) -> None:
    """The command is complete: where runs are not saved in the default folder, it says where."""
    assert resume_command(Path(".benchmarks/journals/x.jsonl")) == "pytest evals/ -m live --resume=x"
    command = f"pytest evals/ -m live --benchmark-storage=file://{tmp_path} --resume=x"
    assert resume_command(tmp_path / "journals" / "x.jsonl") == command

"""A session's side of an arm's process: starting it, asking it, trusting nothing that it answers, and ending it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from agent import errors
from agent.errors import ArmError, RunFileError
from agent.prompts import Message
from agent.sampling import derive_seed
from evals.fingerprint import ROOT, Fingerprint
from evals.measurer import PAUSES, Measured
from evals.runfile import MOST_BYTES, check, check_trial, messages_of, parse
from evals.schedule import PlannedTrial
from evals.settings import Settings
from evals.subject import Place
from evals.trials import Fault, Trial

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from evals.arm_process import main; main()"
_ENDING_SECONDS = 10.0
_LOOK_UP_SECONDS = 180.0
_OPENING_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class AgentTree:
    """The source tree of an agent (the folder that holds its package ``agent``), and what people call it."""

    name: str
    root: Path


class ArmProcess:
    """The running process of an arm. Every answer is awaited for a limited time, and a process that fails once is ended.

    Its standard error goes to ``log``, and what it leaves behind when it is killed stands in the log's folder.
    """

    def __init__(self, tree: AgentTree, log: Path) -> None:
        self.tree = tree
        self._log = log
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        # The suite's folder comes first on the path, whatever is installed; the agent's is put before it where it is imported.
        command = [sys.executable, "-P", "-c", _BOOT, str(ROOT), str(tree.root)]
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(log.parent))
        with log.open("wb") as words:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - ours
                command,
                env=os.environ | temporary,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                # Ctrl-C is the session's alone: its end is the end of the process's standard input.
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def ask(self, name: str, request: dict[str, Any], seconds: float) -> Any:
        """The answer to one request.

        Raises:
            ArmError: when there is none, or when it is no answer.
        """
        self.tell(name, request)
        return self.hear(seconds)

    def tell(self, name: str, request: dict[str, Any]) -> None:
        """Send a request. What it holds, a key for example, stands nowhere but in the pipe."""
        stdin: Any = self._process.stdin
        # A process that is gone is noticed where its answer is missing.
        with contextlib.suppress(OSError, ValueError):
            stdin.write(json.dumps({name: request}).encode() + b"\n")
            stdin.flush()

    def hear(self, seconds: float) -> Any:
        """The answer to the request that was sent last.

        Raises:
            ArmError: when there is none within so many seconds, or when it is no answer.
        """
        try:
            return self._understood(self._answers.get(timeout=seconds))
        except queue.Empty as error:
            self.close(patience=0.0)
            raise ArmError(f"{self.tree.name} did not answer within {seconds:g} s, so its process was ended") from error
        except ArmError:
            self.close(patience=0.0)
            raise

    def close(self, patience: float = _ENDING_SECONDS) -> None:
        """End the process: by the end of its standard input or, when that takes longer than ``patience`` seconds, at once."""
        for pipe in filter(None, [self._process.stdin]):
            with contextlib.suppress(OSError):
                pipe.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def _read(self, lines: IO[bytes]) -> None:
        with lines:
            while line := lines.readline(MOST_BYTES):
                self._answers.put(line)
        self._answers.put(b"")

    def _understood(self, line: bytes) -> Any:
        if not line.endswith(b"\n"):
            # So it is answered to whoever asks again.
            self._answers.put(b"")
            raise ArmError(f"The process of {self.tree.name} ended in the middle of a session{self._last_words()}")
        try:
            answer = parse(self.tree.name, "", line)
        except RunFileError as error:
            raise ArmError(f"The process of {self.tree.name} talks nonsense: {error}") from error
        if isinstance(answer, dict) and "failed" in answer:
            raise _failure(self.tree, answer["failed"])
        return answer

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING_SECONDS)
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f", with exit code {self._process.returncode}" + (f"; its last line: {lines[-1][:300]}" if lines else "")


@contextlib.contextmanager
def arm_process(tree: AgentTree, log: Path) -> Iterator[ArmProcess]:
    """Start the process of an arm, which writes its errors to ``log``, and end it after the block."""
    with contextlib.closing(ArmProcess(tree, log)) as process:
        yield process


@dataclass(slots=True)
class RemoteMeasurer:
    """Measures the agent of another process; see :class:`evals.measurer.Measurer`."""

    process: ArmProcess
    settings: Settings
    known: dict[str, Message] = field(default_factory=dict)
    _doubts_cache: bool = False

    def begin_opening(self, place: Place) -> None:
        """Have the process open its agent on a place."""
        target = {name: value for name, value in asdict(place.target).items() if name != "model_file"}
        embedder = None if place.embedder is None else asdict(place.embedder)
        request = {"settings": self.settings.to_dict(), "target": target, "served": asdict(place.served), "embedder": embedder}
        self.process.tell("open", request)

    def opened(self) -> Fingerprint:
        """Wait until the agent is open; what is measured there.

        Raises:
            ArmError: when it cannot be opened.
        """
        answer = self.process.hear(_OPENING_SECONDS + self.settings.deadline)
        with self._nonsense_mapped():
            saved: Any = answer.get("fingerprint") if isinstance(answer, dict) else None
            check(self.process.tree.name, "fingerprint", saved, "fingerprint")
            return Fingerprint.from_dict(saved)

    def check_context(self) -> None:
        """Have the process warm up, and see whether its prompts fit.

        Raises:
            ArmError: when they do not.
        """
        calls = 3 * len(self.settings.stacks)
        self.process.ask("check", {}, _OPENING_SECONDS + calls * self.settings.deadline)

    def measure(self, planned: PlannedTrial, faults: tuple[Fault, ...]) -> Measured:
        """See :meth:`evals.measurer.Measurer.measure`.

        Raises:
            ArmError: when the process ends, hangs, or answers with anything but the trial.
        """
        epoch, task, stack, regime = planned.key
        request = {"epoch": epoch, "task": task, "stack": stack, "regime": regime, "doubt_cache": self._doubts_cache}
        self._doubts_cache = False
        answer = self.process.ask("measure", request, _longest(self.settings, planned))
        with self._nonsense_mapped():
            measured = self._checked(planned, answer)
        self.known |= measured.messages
        return replace(measured, trial=replace(measured.trial, faults=(*faults, *measured.trial.faults)))

    def doubt_cache(self) -> None:
        """See :meth:`evals.measurer.Measurer.doubt_cache`."""
        self._doubts_cache = True

    def _checked(self, planned: PlannedTrial, answer: Any) -> Measured:
        name = self.process.tree.name
        check(name, "answer", answer, "journal_line")
        if "trial" not in answer:
            raise RunFileError(f"{name}: the answer holds no trial")
        messages, trial = messages_of(name, "messages", answer["messages"]), Trial.from_dict(answer["trial"])
        check_trial(name, "trial", trial, self.known | messages)
        if (trial.key, trial.seed) != (planned.key, derive_seed(self.settings.seed, planned.task.id, planned.epoch)):
            raise RunFileError(f"{name}: the trial {trial.key} with seed {trial.seed} is not the one that was asked for")
        return Measured(trial, messages)

    @contextlib.contextmanager
    def _nonsense_mapped(self) -> Iterator[None]:
        try:
            yield
        except RunFileError as error:
            self.process.close(patience=0.0)
            raise ArmError(f"The process of {self.process.tree.name} talks nonsense: {error}") from error


def _longest(settings: Settings, planned: PlannedTrial) -> float:
    """Seconds that a trial can take at most: every try with its look-up, and every call up to its deadline; and then some."""
    a_try = _LOOK_UP_SECONDS + (2 + planned.stack.retries) * settings.deadline
    return (1 + len(PAUSES)) * a_try + sum(PAUSES)


def _failure(tree: AgentTree, failed: Any) -> ArmError:
    if not isinstance(failed, dict):
        return ArmError(f"The process of {tree.name} talks nonsense: it failed with {str(failed)[:200]!r}")
    kind, message = failed.get("kind"), failed.get("message")
    if failed.get("lacks"):
        return ArmError(
            f"{tree.name} lacks what this suite needs: {kind}: {message}. A commit too old for this suite cannot be compared"
            " by it. Next: choose a younger one"
        )
    # The errors of the agent's own tree explain themselves.
    return ArmError(f"{tree.name}: {message}" if hasattr(errors, str(kind)) else f"{tree.name}: {kind}: {message}")

"""The process of one arm: it measures the agent of a source tree for the session that started it (``arm_client.py``).

A request is one JSON line on standard input, its answer one on standard output: ``open`` (the settings, and where to measure),
``check`` (whether the prompts fit), then ``measure`` for every trial. An answer is what was asked for, or ``failed``. At the end of
standard input the process ends, also in the middle of a call.

Nothing of the agent or the suite is imported before the tree is settled, so that whatever fails then is an answer, too.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evals.measurer import AgentMeasurer
    from evals.subject import Subject

_GRACE = 0.2
"""Seconds in which a process that waits ends by itself."""
_UNWINDING = 15.0

_Answer = dict[str, Any]


def main() -> None:
    """Serve requests for the agent below the folder that is the last argument. What else prints, prints to standard error."""
    # Whoever is started in the background inherits that it is ignored, and here it ends a call.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    answers = _stdout_taken()
    requests = _Requests(_stdin_taken())
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as opened:
        arm = _Arm(Path(sys.argv[-1]), opened)
        with requests.ending_in_time():
            for name, request in requests:
                answer = json.dumps(_answered(getattr(arm, name), request)).encode() + b"\n"
                answers.write(answer)
                answers.flush()


@dataclass
class _Arm:
    """What answers the requests, by their names."""

    root: Path
    opened: contextlib.ExitStack
    subject: Subject | None = None
    measurer: AgentMeasurer | None = None
    tasks: Mapping[str, Any] = field(default_factory=dict)

    def open(self, request: Mapping[str, Any]) -> _Answer:
        """Open the agent on a place; answers with the run's fingerprint."""
        _import_agent(self.root)
        from agent.targets.embedder import Embedder
        from agent.targets.target import Target
        from evals.served import Served
        from evals.settings import Settings
        from evals.subject import Place, open_subject
        from fixtures.data import load_tasks

        embedder = request["embedder"] and Embedder(**request["embedder"])
        place = Place(Target(**request["target"]), Served(**request["served"]), embedder)
        self.subject = self.opened.enter_context(open_subject(Settings.from_dict(request["settings"]), place))
        self.measurer = self.subject.measurer({})
        self.tasks = {task.id: task for task in load_tasks()}
        return {"fingerprint": self.subject.fingerprint.to_dict()}

    def check(self, _: Mapping[str, Any]) -> _Answer:
        """Warm up, and see whether the prompts fit."""
        assert self.subject is not None  # noqa: S101 - the session opens first
        self.subject.check_context()
        return {"checked": True}

    def measure(self, request: Mapping[str, Any]) -> _Answer:
        """Measure a trial; answers as a journal's line has it."""
        from agent.stacks import STACKS
        from evals.schedule import PlannedTrial

        assert self.measurer is not None  # noqa: S101 - the session opens first
        if request["doubt_cache"]:
            self.measurer.doubt_cache()
        planned = PlannedTrial(request["epoch"], self.tasks[request["task"]], STACKS[request["stack"]], request["regime"])
        measured = self.measurer.measure(planned, ())
        messages = {name: asdict(message) for name, message in measured.messages.items()}
        return {"trial": measured.trial.to_dict(), "messages": messages}


class _Requests:
    """The requests, read by a thread, so that their end is noticed while one is worked on."""

    def __init__(self, lines: Any) -> None:
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._left = threading.Event()
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    def __iter__(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        while (line := self._lines.get()) is not None:
            ((name, request),) = json.loads(line).items()
            yield name, request

    @contextlib.contextmanager
    def ending_in_time(self) -> Iterator[None]:
        """Have the block interrupted soon after the end of the requests, if it has not ended by then."""
        try:
            yield
        finally:
            self._left.set()

    def _read(self, lines: Any) -> None:
        for line in lines:
            self._lines.put(line)
        self._lines.put(None)
        if not self._left.wait(_GRACE) and hasattr(signal, "pthread_kill"):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        self._left.wait(_UNWINDING)
        # Whoever asked is gone, and what still hangs here would hang for good.
        threading.Event().wait(_UNWINDING)
        os._exit(1)


def _answered(answer: Callable[[Mapping[str, Any]], _Answer], request: Mapping[str, Any]) -> _Answer:
    try:
        return answer(request)
    except Exception as error:
        lacks = isinstance(error, ImportError | AttributeError | TypeError)
        message = str(error).encode(errors="replace").decode()
        return {"failed": {"kind": type(error).__name__, "message": message, "lacks": lacks}}


def _import_agent(root: Path) -> None:
    """Import the agent of one tree: its modules then come from there, and everything else from where it came from before.

    Raises:
        ImportError: when the tree has no agent.
    """
    sys.path.insert(0, str(root))
    import agent

    sys.path.remove(str(root))
    folder = Path(str(agent.__file__)).resolve().parent
    if folder != (root / "agent").resolve():
        raise ImportError("there is no package agent")


def _stdout_taken() -> Any:
    """Standard output for the answers alone: from now on it leads to standard error for everything else, C code included."""
    taken = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What an agent printed is in the log even when its process is killed.
        sys.stdout.reconfigure(line_buffering=True)
    return taken


def _stdin_taken() -> Any:
    """Standard input for the requests alone. Unbuffered, since a thread that reads a buffer may not be there at exit."""
    taken = os.fdopen(os.dup(0), "rb", buffering=0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    return taken

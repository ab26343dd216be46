"""The arms of a session: the one run of most sessions, or the two of an A/B session, interleaved on one server."""

from __future__ import annotations

import contextlib
import itertools
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.targets import ollama
from agent.targets.target import Target, open_embedder, shield_loopback_from_proxies
from evals.arm_client import AgentTree, ArmProcess, RemoteMeasurer, arm_process
from evals.fingerprint import AGENT_ROOT, Fingerprint
from evals.floors import judge_run
from evals.grid import Block
from evals.journal import Journal, new_run_id, resume_command
from evals.limits import Limits
from evals.live import LiveRun
from evals.opening import asks_memory, open_run, open_served
from evals.pair import PARTS, Pair, arm_run_id
from evals.run import Header, Run, ServedTarget
from evals.runs import saved_part
from evals.schedule import BOTH_ARMS, Arm, PlannedTrial
from evals.served import server_root
from evals.settings import Settings
from evals.stores import Tell, silent
from evals.subject import Place
from evals.summary import summary_blocks
from evals.trials import Trial
from evals.worktree import worktree

WORKING_TREE = "the working tree's agent"


@dataclass(slots=True)
class Arms:
    """The open runs of a session. ``title`` says what serves them and which arm is which; ``base`` is ``None`` without A/B;
    ``judged_by`` are the options of its gate.
    """

    head: LiveRun
    title: str
    note: str = ""
    base: LiveRun | None = None
    judged_by: str = ""

    @property
    def runs(self) -> tuple[LiveRun, ...]:
        """The runs, that of the base first."""
        return tuple(self.by_name.values())

    @property
    def by_name(self) -> dict[Arm, LiveRun]:
        """The runs by the names of their arms."""
        return {"head": self.head} if self.base is None else {"base": self.base, "head": self.head}

    @property
    def pair(self) -> Pair | None:
        """Both runs as far as they were measured; ``None`` without A/B."""
        return None if self.base is None else Pair(self.base.result(), self.head.result())

    @property
    def measured(self) -> bool:
        """Whether there is a trial."""
        return any(run.by_key for run in self.runs)

    @property
    def planned(self) -> int:
        """How many trials there are to be."""
        return sum(len(run.planned) for run in self.runs)

    @property
    def answered(self) -> int:
        """How many trials have an answer."""
        return sum(run.answered for run in self.runs)

    @property
    def over_budget(self) -> bool:
        """Whether more trials of this session ended in a fault than the settings allow."""
        return sum(run.fault_count for run in self.runs) > self.head.settings.faults_allowed

    @property
    def next_command(self) -> str:
        """What goes on after the session was stopped: the run itself, or a new session, since time is compared within one alone."""
        settings = self.head.settings
        if self.base is None:
            return resume_command(self.head.journal.file) + self.judged_by
        asked = f"--ab {settings.ab}" if settings.ab_model is None else f"--ab-model {shlex.quote(settings.ab_model)}"
        return f"pytest evals/ -m live {asked}"

    def run_of(self, planned: PlannedTrial) -> LiveRun:
        """The run that a trial belongs to."""
        return self.head if planned.arm == "head" or self.base is None else self.base

    def found(self, planned: PlannedTrial) -> Trial | None:
        """The trial, where it was measured."""
        return self.run_of(planned).by_key.get(planned.key)

    def measure(self, planned: PlannedTrial) -> Trial:
        """Measure one trial on its arm; see :meth:`evals.live.LiveRun.measure`. Both arms share what a server has cached."""
        measuring = self.run_of(planned)
        trial = measuring.measure(planned)
        if trial.fault is not None:
            for other in self.runs:
                if other is not measuring:
                    other.measurer.doubt_cache()
        return trial

    def is_settled(self, planned: PlannedTrial) -> bool:
        """Whether a sequential run ended before it came to this trial."""
        run = self.run_of(planned)
        return run.stopped is not None and planned.task.id not in run.result().measured_tasks

    def finish(self) -> None:
        """Note in every journal that the session is complete and saved."""
        for run in self.runs:
            run.journal.finish()

    def saved(self, limits: Limits) -> dict[str, Any]:
        """What a saved session holds: the head's run under ``evals``, the base's under ``evals_base``."""
        parts = {PARTS[name]: run.result() for name, run in self.by_name.items()}
        return {part: saved_part(run, _judgements(run, limits)) for part, run in parts.items()}

    def summary(self, limits: Limits, width: int) -> list[Block]:
        """The summary of every run, and which arm is which; ``width`` chooses the layout of what is wide."""
        if self.base is None:
            return self._summary_of(self.head, limits, width)
        parts = [("", f"{name}:", *self._summary_of(run, limits, width)) for name, run in self.by_name.items()]
        return [f"A/B: {self.title}", *itertools.chain(*parts)]

    def _summary_of(self, run: LiveRun, limits: Limits, width: int) -> list[Block]:
        result = run.result()
        return summary_blocks(result, judge_run(result, limits), width, resume_command=self.next_command)


@contextlib.contextmanager
def open_arms(
    settings: Settings, planned: Sequence[PlannedTrial], *, journals: Path, resumed: Path | None = None, tell: Tell = silent
) -> Iterator[Arms]:
    """Open the session's run, or both runs of an A/B session: each arm's agent in a process of its own, on the same server.

    Raises:
        AgentError: when something is not there or not fit, saying what to run next.
    """
    if settings.arms == BOTH_ARMS:
        with _open_both(settings, planned, journals) as arms:
            yield arms
    else:
        with open_run(settings, planned, journals=journals, resumed=resumed, tell=tell) as (run, target):
            yield Arms(run, str(target), target.note)


@contextlib.contextmanager
def _open_both(settings: Settings, planned: Sequence[PlannedTrial], journals: Path) -> Iterator[Arms]:
    shield_loopback_from_proxies()
    with contextlib.ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="evals-ab-", ignore_cleanup_errors=True)))
        processes = {
            name: opened.enter_context(arm_process(tree, folder / f"{name}.log"))
            for name, tree in _trees(settings, folder, opened).items()
        }
        places = _open_places(settings, opened)
        measurers = _open_measurers(settings, processes, places)
        runs, session = {}, new_run_id()
        for name, (measurer, fingerprint) in measurers.items():
            header = Header(arm_run_id(session, name), settings, ServedTarget.of(places[name].target), fingerprint)
            journal = opened.enter_context(contextlib.closing(Journal.create(journals, header.run, header)))
            runs[name] = LiveRun(header, [trial for trial in planned if trial.arm == name], measurer, journal)
        yield Arms(runs["head"], _title(settings, processes, places), places["head"].target.note, runs["base"])


def _judgements(run: Run, limits: Limits) -> dict[str, Any]:
    return {str(series): judged.to_dict() for series, judged in judge_run(run, limits).items()}


def _trees(settings: Settings, folder: Path, opened: contextlib.ExitStack) -> dict[Arm, AgentTree]:
    """The agents of both arms: two commits', or twice the working tree's."""
    head = AgentTree(WORKING_TREE, AGENT_ROOT)
    if settings.ab is None:
        return {"base": head, "head": head}
    tree = opened.enter_context(worktree(settings.ab, folder / folder.name, AGENT_ROOT))
    return {"base": AgentTree(f"the agent at {settings.ab[:10]}", tree), "head": head}


def _open_places(settings: Settings, opened: contextlib.ExitStack) -> dict[Arm, Place]:
    """Where the arms are measured: on the same model, or on two models of the same target; the embedder is the same in any case."""
    target, served = opened.enter_context(open_served(settings.target, settings.model, settings))
    embedder = opened.enter_context(open_embedder(target, settings.embedder)) if asks_memory(settings) else None
    base = Place(target, served, embedder)
    if settings.ab_model is None:
        return {"base": base, "head": base}
    choice = settings.target if target.kind == "url" else target.kind
    head = Place(*opened.enter_context(open_served(choice, settings.ab_model, settings)), embedder)
    places: dict[Arm, Place] = {"base": base, "head": head}
    _refuse_unloaded(places)
    return places


def _open_measurers(
    settings: Settings, processes: Mapping[Arm, ArmProcess], places: Mapping[Arm, Place]
) -> dict[Arm, tuple[RemoteMeasurer, Fingerprint]]:
    """Open both agents at once, then warm up one after the other."""
    measurers = {name: RemoteMeasurer(process, settings) for name, process in processes.items()}
    for name, measurer in measurers.items():
        measurer.begin_opening(places[name])
    opened = {name: (measurer, measurer.opened()) for name, measurer in measurers.items()}
    for measurer in measurers.values():
        measurer.check_context()
    _refuse_unloaded(places)
    return opened


def _refuse_unloaded(places: Mapping[Arm, Place]) -> None:
    """Refuse an Ollama that has put one of the session's models out for another one: loading it would count as time.

    Raises:
        TargetError: saying how to keep both.
    """
    base = places["base"]
    if base.served.kind == "ollama":
        root = server_root(base.target.base_url)
        models = dict.fromkeys(place.target.model for place in places.values())
        embeds = base.embedder is not None and server_root(base.embedder.base_url) == root
        ollama.check_loaded_together(root, tuple(models), others=int(embeds))


def _title(settings: Settings, processes: Mapping[Arm, ArmProcess], places: Mapping[Arm, Place]) -> str:
    targets: dict[Arm, Target] = {name: place.target for name, place in places.items()}
    if settings.ab_model is not None:
        return f"base: {targets['base']}; head: {targets['head']}"
    return f"{targets['head']}; base: {processes['base'].tree.name}, head: {processes['head'].tree.name}"

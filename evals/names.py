"""Names of saved runs on the command line: a path, a number (``0003``), ``latest``, ``baseline`` or ``ab``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from agent.errors import RunFileError
from evals.baselines import find_baseline
from evals.likeness import Changed, default_changed
from evals.run import Run
from evals.runs import load_run

LATEST, BASELINE, OTHER_ARM = "latest", "baseline", "ab"
STORAGE = Path(".benchmarks")
WITHOUT_A_RUN = "memory_"
"""How the names of files begin, after their number, that hold no run but the memory evals alone: none is the latest run."""
_SHOWN = 10


def load_pair(base: str, head: str, changed: Collection[Changed] | None, storage: Path, baselines: Path) -> tuple[Run, Run]:
    """BASE and HEAD by their names. ``baseline`` is the blessed run that is like HEAD but for what ``changed`` names (by default
    :func:`evals.likeness.default_changed`), ``ab`` the other arm of HEAD's A/B session.

    Raises:
        RunFileError: when a name is unknown, listing what there is, or a file is no sound run.
    """
    if head in (BASELINE, OTHER_ARM):
        raise RunFileError(f"{head!r} can only be BASE; HEAD is the run to be judged: a path, a number or {LATEST!r}")
    file = find_file(head, storage)
    judged = load_run(file)
    if base == OTHER_ARM:
        return load_run(file, "base"), judged
    meant = changed or default_changed(judged)
    found = find_baseline(judged, meant, baselines) if base == BASELINE else find_file(base, storage)
    return load_run(found), judged


def find_file(name: str, storage: Path = STORAGE) -> Path:
    """The file of a saved run: a path, a number, or :data:`LATEST`, the one that was written last.

    Raises:
        RunFileError: when there is none, or a number stands for several, listing what there is.
    """
    if _is_file(Path(name)):
        return Path(name)
    saved = [file for file in storage.glob("*/[0-9]*_*.json") if _is_file(file)]
    files = sorted(saved, key=lambda file: (file.stat().st_mtime_ns, file.name))
    if name == LATEST and (runs := [file for file in files if not file.name.partition("_")[2].startswith(WITHOUT_A_RUN)]):
        return runs[-1]
    found = [file for file in files if name.isdecimal() and file.name.partition("_")[0].lstrip("0") == name.lstrip("0")]
    if len(found) == 1:
        return found[0]
    if found:
        raise RunFileError(f"{name} stands for {len(found)} files; name one of them: {', '.join(map(str, found))}")
    raise RunFileError(f"There is no run {name[:100]!r}. {_what_there_is(files, storage)}")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        # Too long a name, for example.
        return False


def _what_there_is(files: list[Path], storage: Path) -> str:
    if not files:
        return f"Nothing is saved below {storage}. Next: pytest evals/ -m live, or name the folder with --storage"
    newest = ", ".join(file.name.partition("_")[0] for file in reversed(files[-_SHOWN:]))
    more = f" and {len(files) - _SHOWN} older" if len(files) > _SHOWN else ""
    others = f"a path, {LATEST!r} or, as BASE, {BASELINE!r} or {OTHER_ARM!r}"
    return f"Below {storage} there are {newest}{more}. Next: name one of them, {others}"

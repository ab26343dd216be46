"""Another commit of this repository, checked out in a worktree that is there only as long as it is needed."""

from __future__ import annotations

import contextlib
import difflib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from agent.errors import SettingsError
from evals.fingerprint import ROOT

_SECONDS = 120.0
_OF_ANOTHER = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY")
"""Variables that name the repository of the git command or hook that this process was started by."""


def commit_of(ref: str, root: Path = ROOT) -> str:
    """The full hash of the commit that ``ref`` names.

    Raises:
        SettingsError: when it names none, with what it may have meant, or when ``root`` is in no git repository.
    """
    # What ends in this is taken for a commit or nothing, and what follows --end-of-options is no option.
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if found.returncode == 0:
        return found.stdout.strip()
    if (inside := _git(root, "rev-parse", "--git-dir")).returncode != 0:
        raise SettingsError(f"--ab {ref}: {root} is in no git repository ({_last_line(inside)}). Next: run from a clone of it")
    raise SettingsError(f"--ab {ref}: no commit is called so; {_near(ref, root)}. Next: git -C {root} log --oneline")


@contextlib.contextmanager
def worktree(commit: str, folder: Path, root: Path = ROOT) -> Iterator[Path]:
    """Check ``commit`` out into ``folder``, which must not exist, and yield what is ``root`` in it; gone again after the block.

    The working tree stays as it is, uncommitted changes included, and no hook runs.

    Raises:
        SettingsError: when git cannot do that.
    """
    prefix = _git(root, "rev-parse", "--show-prefix").stdout.strip()
    try:
        added = _git(root, "worktree", "add", "--detach", "--quiet", "--end-of-options", str(folder), commit)
        if added.returncode != 0:
            raise SettingsError(f"git cannot check out {commit}: {_last_line(added)}. Next: git -C {root} worktree list")
        yield folder / prefix
    finally:
        # The second --force is for one that was cut off while it was made, which is locked.
        if _git(root, "worktree", "remove", "--force", "--force", str(folder)).returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            _git(root, "worktree", "prune")


def _near(ref: str, root: Path) -> str:
    listed = _git(
        root, "for-each-ref", "--sort=-committerdate", "--format=%(refname:short)", "refs/heads", "refs/tags", "refs/remotes"
    )
    names = listed.stdout.split()
    near = difflib.get_close_matches(ref, names, n=5, cutoff=0.5) or names[:5]
    return f"there are: {', '.join(near)}" if near else "the repository has no branch and no tag"


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER}
    command = ["git", "-c", f"core.hooksPath={os.devnull}", "-C", str(root), *arguments]
    try:
        return subprocess.run(  # noqa: S603 - ours
            command, env=clean, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SettingsError(f"--ab needs git, which cannot be run: {error}") from error


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stderr.strip() or f"git ended with {done.returncode}").splitlines()[-1]

"""A real git repository for tests, which may hold a copy of this project."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from evals.selftest.live_session import ROOT

_NAMED = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main")
_COPIED = ("agent", "evals", "fixtures", "conftest.py", "pyproject.toml")


def git(root: Path, *arguments: str) -> str:
    """What git prints there."""
    command = ["git", "-C", str(root), *_NAMED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@dataclass(frozen=True)
class Repository:
    """A repository at ``root``."""

    root: Path

    @classmethod
    def begin(cls, root: Path) -> Self:
        """An empty one."""
        root.mkdir()
        git(root, "init", "--quiet")
        return cls(root)

    @classmethod
    def of_this_project(cls, root: Path) -> Self:
        """One with the project as it is, its self-tests left out, in one commit."""
        made = cls.begin(root)
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__", "selftest", "benchmarks"))
            else:
                shutil.copy(source, root / name)
        (root / ".gitignore").write_text("__pycache__/\n", encoding="utf-8")
        made.commit({}, "as it is")
        return made

    def commit(self, texts: dict[str, str], message: str) -> str:
        """Commit everything, with these files changed; the commit's hash."""
        for name, text in texts.items():
            (self.root / name).write_text(text, encoding="utf-8")
        git(self.root, "add", "--all")
        git(self.root, "commit", "--quiet", "--message", message)
        return git(self.root, "rev-parse", "HEAD")

    @property
    def worktrees(self) -> list[str]:
        """Its worktrees, itself included."""
        return git(self.root, "worktree", "list").splitlines()

    def forget(self, worktree: Path) -> None:
        """Remove a worktree that somebody was killed over."""
        git(self.root, "worktree", "remove", "--force", "--force", str(worktree))

    @property
    def processes(self) -> list[int]:
        """The ids of running processes of arms, that of the base first."""
        command = ["ps", "-ww", "-eo", "pid=,args="]
        listed = subprocess.run(command, capture_output=True, text=True, check=True)
        ours = [line for line in listed.stdout.splitlines() if "evals.arm_process" in line and f" {self.root} " in line]
        return [int(line.split()[0]) for line in sorted(ours, key=lambda line: line.endswith(str(self.root)))]

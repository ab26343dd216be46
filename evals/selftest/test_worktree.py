"""Another commit in a worktree: which one is meant, and that nothing is left of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import SettingsError
from evals.selftest.repository import Repository, git
from evals.worktree import commit_of, worktree


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with two commits of one file, a branch, and a change that is not committed."""
    made = Repository.begin(tmp_path / "repository")
    (made.root / "sub").mkdir()
    made.commit({"sub/a.txt": "old"}, "old")
    git(made.root, "branch", "feature-login")
    made.commit({"sub/a.txt": "new"}, "new")
    (made.root / "sub" / "a.txt").write_text("dirty", encoding="utf-8")
    return made


def test_branches_tags_and_hashes_name_commits(repository: Repository) -> None:
    """A branch, a relative name and a short hash all give the full hash."""
    old = git(repository.root, "rev-parse", "HEAD~1")
    assert [commit_of(ref, repository.root) for ref in ("feature-login", "HEAD~1", old[:8])] == [old] * 3


@pytest.mark.parametrize("ref", ["nope", "--all", "-h", "", "HEAD:sub/a.txt", "HEAD..HEAD~1"])
def test_what_names_no_commit_is_refused(repository: Repository, ref: str) -> None:
    """Neither an unknown name, nor an option, nor a file or a range is taken for a commit."""
    with pytest.raises(SettingsError, match=r"no commit is called so; there are: .*Next: git -C"):
        commit_of(ref, repository.root)


def test_near_names_are_listed(repository: Repository) -> None:
    """A name that was mistyped is answered with the one that was meant."""
    with pytest.raises(SettingsError, match="there are: feature-login"):
        commit_of("feature-logni", repository.root)


def test_outside_of_a_repository_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is in no repository is said to be that, whatever repository git's variables name."""
    monkeypatch.setenv("GIT_DIR", str(Path(__file__).parents[2] / ".git"))
    with pytest.raises(SettingsError, match="is in no git repository"):
        commit_of("HEAD", tmp_path)


def test_the_worktree_is_the_commit_and_goes_away(repository: Repository, tmp_path: Path) -> None:
    """It holds the commit's files, below the same folder, without touching the working tree; afterwards it is gone."""
    old = git(repository.root, "rev-parse", "HEAD~1")
    with worktree(old, tmp_path / "tree", repository.root / "sub") as found:
        assert (found.name, (found / "a.txt").read_text(encoding="utf-8")) == ("sub", "old")
        assert len(repository.worktrees) == 2
        (found / "a.txt").write_text("changed", encoding="utf-8")
    assert (repository.root / "sub" / "a.txt").read_text(encoding="utf-8") == "dirty"
    assert (len(repository.worktrees), (tmp_path / "tree").exists()) == (1, False)


def test_a_failing_block_leaves_nothing(repository: Repository, tmp_path: Path) -> None:
    """However the block ends, and even when the folder is gone by then, no worktree is left."""

    def interrupted() -> None:
        with worktree(git(repository.root, "rev-parse", "HEAD"), tmp_path / "tree", repository.root) as found:
            (found / ".git").unlink()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (len(repository.worktrees), (tmp_path / "tree").exists()) == (1, False)


def test_no_hook_runs(repository: Repository, tmp_path: Path) -> None:
    """A repository's own post-checkout hook is not run."""
    hook = repository.root / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path / 'hooked'}\n", encoding="utf-8")
    hook.chmod(0o755)
    with worktree(git(repository.root, "rev-parse", "HEAD"), tmp_path / "tree", repository.root):
        pass
    assert not (tmp_path / "hooked").exists()


def test_what_git_cannot_check_out_is_one_error(repository: Repository, tmp_path: Path) -> None:
    """A commit that is not there any more is an error with git's own reason."""
    with pytest.raises(SettingsError, match="git cannot check out"), worktree("0" * 40, tmp_path / "tree", repository.root):
        pass
    assert len(repository.worktrees) == 1

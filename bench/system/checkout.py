"""Where this checkout is, and worktrees of other revisions."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("remul", "models", "bench")


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """Yield a worktree of another revision. Raises `ValueError` if there is no such revision."""
    commit = _run_git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    if commit.returncode:
        raise ValueError(f"no revision {revision!r} to compare with: {commit.stderr.strip()}")
    with tempfile.TemporaryDirectory() as folder:
        tree, found = Path(folder) / "base", commit.stdout.strip()
        added = _run_git("worktree", "add", "--detach", "--force", str(tree), found)
        if added.returncode:
            raise ValueError(f"no revision {revision!r} to compare with: {added.stderr.strip()}")
        try:
            yield tree
        finally:
            _run_git("worktree", "remove", "--force", str(tree))


def _run_git(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(ROOT), *command], capture_output=True, text=True)

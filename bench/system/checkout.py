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
    """A worktree of another revision, removed afterwards. Raises `ValueError` if there is none."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "base"
        made = _git("worktree", "add", "--detach", "--force", str(tree), revision)
        if made.returncode:
            raise ValueError(f"no revision {revision!r} to compare with: {made.stderr.strip()}")
        try:
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(ROOT), *command], capture_output=True, text=True)

"""Where this checkout is, and worktrees of other revisions."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.system.scratch import scratch_folder

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("remul", "models", "bench")


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """Yield a worktree of another revision. Raises `ValueError` if there is no such revision."""
    named = _run_git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    if named.returncode:
        raise ValueError(f"no revision {revision!r} to compare with: {named.stderr.strip()}")
    with scratch_folder() as folder:
        tree = folder / "base"
        _run_git("worktree", "prune")  # what killed processes have left
        added = _run_git("worktree", "add", "--detach", "--force", str(tree), named.stdout.strip())
        if added.returncode:
            raise ValueError(f"{revision!r} cannot be checked out: {added.stderr.strip()}")
        try:
            yield tree
        finally:
            _run_git("worktree", "remove", "--force", str(tree))


def _run_git(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(ROOT), *command], capture_output=True, text=True)

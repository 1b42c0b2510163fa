"""Where this checkout is, and worktrees of other revisions."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

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


def list_versions(file: Path) -> Iterator[tuple[str, Any]]:
    """Yield each committed version of a file of JSON, oldest first, and today's if it is another.

    With the day and the commit as its name; a version that is no JSON is left out. Raises
    `ValueError` for a file that git does not know.
    """
    where = ("-C", str(file.resolve().parent))
    log = _run_git(*where, "log", "--follow", "--format=%x00%cs %h", "--name-only", "--", file.name)
    commits = [entry.split("\n") for entry in log.stdout.split("\0") if entry.strip()]
    if not commits:
        raise ValueError(f"{file} has no history: git knows no version of it")
    last = ""
    for name, *paths in reversed(commits):
        path, commit = next(filter(None, paths)), name.split()[-1]
        last = _run_git(*where, "show", f"{commit}:{path}").stdout
        with suppress(ValueError):
            yield name, json.loads(last)
    if file.is_file() and (today := file.read_text()) != last:
        with suppress(ValueError):
            yield "today", json.loads(today)


def _run_git(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "-c", "core.quotepath=off", "-C", str(ROOT), *command],
        capture_output=True,
        text=True,
    )

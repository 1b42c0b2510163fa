"""Temporary folders that go with the process that made them, whatever it dies of."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a temporary folder, and remove it; those that killed processes have left go first."""
    _sweep()
    folder, lock = _make_locked()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def list_folders() -> list[Path]:
    """Return the temporary folders of this user's processes."""
    return sorted(Path(tempfile.gettempdir()).glob(f"{_prefix()}*"))


def _prefix() -> str:
    return f"remul-{os.getuid()}-"


def _make_locked() -> tuple[Path, int]:
    """Return a new folder and the descriptor that keeps it: the lock ends with the process."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_prefix()))
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # another has swept it before it was open
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():  # another may have swept it before it was locked
            return folder, lock
        os.close(lock)


def _sweep() -> None:
    """Remove the folders that no living process has locked."""
    for folder in list_folders():
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)

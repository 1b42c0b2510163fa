"""The cache of data: what was made or downloaded, outside the repository, never half a file."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from filelock import FileLock

from bench.data.archive import Arrays, read_npz
from bench.data.download import check, download, forget

VARIABLE = "REMUL_DATA"
PART = ".part"  # ends the name of what is not finished
NOTE = ".sha256"  # ends the name of a file with the hash of another


def folder() -> Path:
    """Return where data lives: `$REMUL_DATA`, else the user's cache folder."""
    where = os.environ.get(VARIABLE) or platformdirs.user_cache_dir("remul")
    try:
        return Path(where).expanduser()
    except RuntimeError as error:
        raise ValueError(f"data cannot be kept in {where}: {error}") from None


def cache_arrays(
    name: str,
    options: Mapping[str, Any],
    make: Callable[[], Arrays],
    axes: Mapping[str, int] | None = None,
) -> Arrays:
    """Return the arrays that `make()` gives for these options, read back if they were made before.

    Of several processes that want the same, one makes it and the others wait. A file that cannot
    be read, or lacks an array of so many `axes`, is made anew; where nothing can be written, the
    arrays are given all the same. Either is said in one line on stderr.
    """
    text = json.dumps(options, sort_keys=True)
    path = folder() / name / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"
    with suppress(OSError, ValueError):
        return read_npz(path, axes)
    with _lock(path):
        arrays = _read_sound(path, axes)
        if arrays is None:
            arrays = make()
            _keep(path, arrays)
    return arrays


def fetch(
    name: str, file: str, urls: Sequence[str], sha256: str | None = None, size: int | None = None
) -> Path:
    """Return the file of a data set, downloaded unless it is there, its size and hash checked.

    The addresses are tried in turn; what a broken connection had sent is kept and continued.
    Of a file whose hash nobody has recorded, the first one seen is trusted and its hash noted.
    Raises `ValueError`, saying how to place the file by hand, if no address gives it.
    """
    path = folder() / name / file
    if not path.resolve().is_relative_to((folder() / name).resolve()):
        raise ValueError(f"{file} would not lie within the folder of {name}")
    with _lock(path):
        if _is_whole(path, sha256, size):
            return path
        part = path.with_name(path.name + PART)
        problems = []
        for url in urls:
            try:
                download(url, part, sha256, size)
            except ValueError as error:
                problems.append(f"{url}: {error}")
            else:
                if sha256 is None:
                    _write_note(part, path)
                part.replace(path)
                forget(part)
                return path
    raise ValueError(
        f"{name} needs {file}, and it could not be fetched ({'; '.join(problems)}); "
        f"with a connection this command continues, or place the file at {path} yourself"
    )


def place(file: Path, name: str) -> None:
    """Copy a file of the user's into the folder of a data set, whole or not at all."""
    path = folder() / name / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + PART)
    shutil.copyfile(file, part)
    part.replace(path)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Keep other processes out that would make the same file, where a lock can be had."""
    file = folder() / ".locks" / f"{path.parent.name}-{path.name}.lock"
    with ExitStack() as stack:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(file))
        yield


def _read_sound(path: Path, axes: Mapping[str, int] | None) -> Arrays | None:
    """Return the arrays of a file; None if it is not there or, said in a line, not sound."""
    try:
        return read_npz(path, axes)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        _warn(f"{error}; it is made anew")
        return None


def _keep(path: Path, arrays: Arrays) -> None:
    part = path.with_name(path.name + PART)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        _warn(f"{path} cannot be kept: {error.strerror}")
    finally:
        with suppress(OSError):
            part.unlink()


def _is_whole(path: Path, sha256: str | None, size: int | None) -> bool:
    """Return whether the file is there as it should be; one that is there and is not is named."""
    if not path.is_file():
        return False
    try:
        check(path, sha256 or _read_note(path), size)
    except ValueError as error:
        _warn(f"{error}; it is fetched anew")
        return False
    return True


def _write_note(part: Path, path: Path) -> None:
    """Write the hash of what came beside it."""
    with part.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    path.with_name(path.name + NOTE).write_text(digest)


def _read_note(path: Path) -> str | None:
    note = path.with_name(path.name + NOTE)
    return note.read_text() if note.is_file() else None


def _warn(line: str) -> None:
    print(line, file=sys.stderr)

"""The cache of made data: one .npz per content key, outside the repository, never half a file."""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

VARIABLE = "REMUL_DATA"
Arrays = dict[str, np.ndarray]


def folder() -> Path:
    """Where made data lives: `$REMUL_DATA`, else the user's cache folder."""
    return Path(os.environ.get(VARIABLE) or platformdirs.user_cache_dir("remul"))


def cached(name: str, options: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
    """The arrays that `make()` gives for these options, read back if they were made before.

    A file that cannot be read is made anew; if the folder cannot be written, nothing is kept.
    """
    text = json.dumps(options, sort_keys=True)
    path = folder() / name / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        arrays = make()
    _keep(path, arrays)
    return arrays


def _keep(path: Path, arrays: Arrays) -> None:
    part = path.with_name(f"{path.stem}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()

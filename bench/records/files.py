"""JSON files, written whole or not at all, and checked when read."""

import json
import os
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def opened(file: Path, check: Callable[[Any], Record]) -> Record:
    """What a file of JSON holds, checked. Raises `ValueError`, naming the file."""
    try:
        return check(json.loads(file.read_text()))
    except OSError as error:
        raise ValueError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{file}: not a record: {error}") from None


def checked(record: Any, parts: Mapping[str, Any], schema: int) -> Record:  # noqa: ANN401 - JSON
    """The record, if every part is there and of its kind. Raises `ValueError` if not."""
    if not isinstance(record, dict):
        raise ValueError(f"it is a {type(record).__name__}")
    if record.get("schema") != schema:
        raise ValueError(f"it has schema {record.get('schema')}, this version reads {schema}")
    missing = [name for name in parts if name not in record]
    wrong = [name for name in parts if name in record and not isinstance(record[name], parts[name])]
    if missing or wrong:
        text = {"it lacks {}": missing, "the wrong kind of {}": wrong}
        said = [line.format(", ".join(names)) for line, names in text.items() if names]
        raise ValueError("; ".join(said))
    return record


def as_text(content: dict[str, Any]) -> str:
    """The content as the JSON of a file."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def write_whole(file: Path, text: str) -> Path:
    """Writes a text beside its final name, flushes it, and moves it into place."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with part.open("w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return file


def set_aside(file: Path) -> Path:
    """Moves a file that is no record out of the way, under a free name that nothing reads."""
    names = (file.with_name(f"{file.name}.torn{n or ''}") for n in count())
    return file.rename(next(name for name in names if not name.exists()))


def check_writable(root: Path) -> None:
    """Raises `ValueError` if no record could be written under the folder."""
    probe = root / f".probe.{os.getpid()}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"results folder {root} cannot be written ({error.strerror}); choose another one "
            "with --results"
        ) from None

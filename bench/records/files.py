"""JSON files, written whole or not at all, and checked when read."""

import json
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from glob import escape
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bench.core.config import drop_added
from bench.system.plain import as_builtin, as_printable, one_line

Record = TypeVar("Record")
State = tuple[int, ...] | None
UNFINISHED = "unfinished"  # beside records: claims on them, and parts of them
PROBE = 2**16  # bytes
LARGEST = 2**26  # bytes of a record
OBEYED = re.compile(  # controls other than new lines and tabs, and what turns the line around
    rb"(?<!\\)(?:\\\\)*\\(?:[bfr]|u00(?:[01]|7f|[89])|u20(?:2[89a-e]|6[6-9]))"
    rb"|\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]",
    re.IGNORECASE,
)


def read_record(file: Path, parse: Callable[[Any], Record]) -> Record:
    """Return what a file of JSON holds. Raises `ValueError` that names the file and the field."""
    plain = read_json(file)
    try:
        return parse(plain)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise ValueError(f"{file}: not a record: {one_line(str(error))}") from None


def read_json(file: Path) -> Any:  # noqa: ANN401 - any JSON
    """Return the JSON in a file. Raises `ValueError` that names the file."""
    try:
        return msgspec.json.decode(_read(file))
    except OSError as error:
        raise ValueError(f"{file}: cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise ValueError(f"{file}: not a record: {one_line(str(error))}") from None


def _read(file: Path) -> bytes:
    """Return what a file holds. Raises `ValueError` for what may never end, or is no text."""
    if not (file.is_file() or file.is_dir()) and file.exists():
        raise ValueError("it is no file")
    if file.stat().st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST:,} bytes")
    content = file.read_bytes()
    if not _is_plain(content) and OBEYED.search(content):
        raise ValueError("its text holds letters that a terminal obeys")
    return content


def _is_plain(content: bytes) -> bool:
    """Return whether nothing in it can be such a letter: known at once, as of nearly all files."""
    return content.isascii() and b"\\" not in content and b"\x7f" not in content


def state(file: Path) -> tuple[int, ...]:
    """Return what changes with a file's content: writing one whole gives it another inode."""
    try:
        stat = file.stat()
    except OSError as error:
        raise ValueError(f"{file}: cannot be read: {error.strerror}") from None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def convert(plain: Any, kind: type[Record], **configs: Callable[[Any], Any]) -> Record:  # noqa: ANN401 - any JSON
    """Return the record that plain JSON holds, some of its fields built by functions of their own.

    Raises `ValueError`, naming the field, if it is none.
    """
    try:
        if isinstance(plain, dict):
            built = {name: build(plain[name]) for name, build in configs.items() if name in plain}
            plain = plain | built
        return msgspec.convert(plain, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise ValueError(str(error)) from None


def as_text(content: Any, sort_keys: bool = False) -> str:  # noqa: ANN401 - a record or plain JSON
    """Return a record, or plain content, as the JSON of a file."""
    plain = as_printable(msgspec.to_builtins(content, enc_hook=as_builtin))
    if isinstance(plain, dict) and isinstance(plain.get("run"), dict):
        plain["run"] = drop_added(plain["run"])
    return json.dumps(plain, indent=1, allow_nan=False, sort_keys=sort_keys) + "\n"


def reread(content: Any, parse: Callable[[Any], Record]) -> Record:  # noqa: ANN401 - a record
    """Return a record as it will be read. Raises `ValueError` if it cannot be written, or read."""
    try:
        return parse(msgspec.json.decode(as_text(content)))
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise ValueError(f"no record can hold it: {error}") from None


def write_whole(file: Path, content: str | bytes) -> Path:
    """Write a part beside the final name, flush, and move it into place; return the file."""
    if file.exists() and not file.is_file():
        raise ValueError(f"{file} is no file that could be replaced")
    file.parent.mkdir(parents=True, exist_ok=True)
    part = _place_of_parts(file) / f"{file.name}.{os.getpid()}.part"
    try:
        with part.open("wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except OSError as error:  # writing and flushing do not say of which file
        raise OSError(error.errno, error.strerror, str(file)) from None
    finally:
        with suppress(OSError):
            part.unlink()
    return file


def set_aside(file: Path) -> Path:
    """Move a file that is no record out of the way, under a free name that nothing reads."""
    names = (file.with_name(f"{file.name}.torn{n or ''}") for n in count())
    return file.rename(next(name for name in names if not name.exists()))


def remove_parts(file: Path) -> None:
    """Remove what killed processes have left of a file, and of those beside it of its name."""
    for part in _place_of_parts(file).glob(f"{escape(file.stem)}.*.part"):
        part.unlink(missing_ok=True)


def _place_of_parts(file: Path) -> Path:
    """Return the folder of what is unfinished, if there is one: it is short, whatever is kept."""
    unfinished = file.parent / UNFINISHED
    return unfinished if unfinished.is_dir() else file.parent


def check_writable(root: Path) -> None:
    """Raise `ValueError` if no record could be written under the folder."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root) as probe:
            probe.write(bytes(PROBE))
    except OSError as error:
        raise ValueError(
            f"results folder {root} cannot be written ({error.strerror}); choose another one "
            "with --results"
        ) from None

"""Downloads that continue where a broken connection ended, and the check of what came."""

import hashlib
import re
from errno import EDQUOT, EFBIG, ENOSPC
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from bench.system.progress import print_progress

DOWNLOAD_CHUNK = 1 << 18
TIMEOUT_S = 60
BEYOND = 416  # HTTP: what is there is as long as the file, or longer
FULL = (EDQUOT, EFBIG, ENOSPC)
VERSION = ".version"  # ends the name of a file with the server's word for the state of another
COMPRESSED = (".gz", ".tgz")


class WrongAnswerError(ValueError):
    """What a server sends is not what was asked for."""


def download(url: str, part: Path, sha256: str | None, size: int | None) -> None:
    """Bring `part` to the whole file, from what is there of it already.

    A size or hash that is None is not known; the server's word on the size then has to do. Raises
    `ValueError` with the reason. What came is kept, to be continued, after a broken connection;
    not if it is wrong or too long, nor on a full disk, which needs the room.
    """
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        size = _continue(url, part, sha256, size)
    except (OSError, HTTPException, WrongAnswerError) as error:
        wrong = isinstance(error, WrongAnswerError) or getattr(error, "code", None) == BEYOND
        if wrong or getattr(error, "errno", None) in FULL:
            forget(part)
        raise ValueError(_reason(error)) from None
    if size is not None and part.stat().st_size < size:
        raise ValueError(f"the connection ended after {part.stat().st_size} of {size} bytes")
    try:
        check(part, sha256, size)
        if sha256 is None:
            _check_content(part)
    except ValueError:
        forget(part)
        raise


def forget(part: Path) -> None:
    """Remove what came, and what the server called it."""
    part.unlink(missing_ok=True)
    _version_of(part).unlink(missing_ok=True)


def check(file: Path, sha256: str | None, size: int | None) -> None:
    """Raise `ValueError` for a file of another size or content, as far as they are known."""
    there = file.stat().st_size
    if size not in (None, there):
        raise ValueError(f"{file.name} has {there} bytes, expected {size}")
    if sha256 is None:
        return
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if digest != sha256:
        raise ValueError(f"{file.name} has sha256 {digest}, expected {sha256}")


def _continue(url: str, part: Path, sha256: str | None, size: int | None) -> int | None:
    """Fetch what is missing of `part`; return the size of the whole, as far as it is known."""
    start = _resumed_at(part, sha256)
    if size is not None and start >= size:
        return size
    tell = print_progress(f"fetching {url}")
    with urlopen(_request(url, part, start), timeout=TIMEOUT_S) as answer:
        resumed = answer.status == 206  # 200: the server sends all of it again
        told = _told_size(answer, start * resumed)
        _check_kind(answer, part, sha256, size or told)
        size = told if size is None else size
        _version_of(part).write_text(_version(answer))
        with part.open("ab" if resumed else "wb") as file:
            while (size is None or file.tell() <= size) and (chunk := answer.read(DOWNLOAD_CHUNK)):
                file.write(chunk)
                tell(file.tell(), size or file.tell())
    return size


def _resumed_at(part: Path, sha256: str | None) -> int:
    """Return how much of `part` is worth keeping: none if nothing could tell a mixture from it."""
    sure = sha256 or (_version_of(part).is_file() and _version_of(part).read_text())
    return part.stat().st_size if sure and part.exists() else 0


def _request(url: str, part: Path, start: int) -> Request:
    """Return the request for all from `start` on, if the file there is still that of the part."""
    headers = {"Accept-Encoding": "identity"}
    if start:
        version = _version_of(part).read_text() if _version_of(part).is_file() else ""
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": version} if version else {})
    return Request(url, headers=headers)


def _version_of(part: Path) -> Path:
    return part.with_name(part.name + VERSION)


def _version(answer: HTTPResponse) -> str:
    """Return what names the file's state on the server: a strong ETag, a date; else nothing."""
    tag = answer.headers["ETag"] or ""
    return tag if tag.startswith('"') else answer.headers["Last-Modified"] or ""


def _told_size(answer: HTTPResponse, start: int) -> int | None:
    """Return the size of the whole by the server. Raises `ValueError` for another part of it."""
    if answer.status != 206:
        return answer.length
    told = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers["Content-Range"] or "")
    if not told or int(told[1]) != start:
        raise WrongAnswerError(f"asked for bytes from {start} on, the server sent others")
    return int(told[3]) if told[3] != "*" else start + answer.length if answer.length else None


def _check_kind(answer: HTTPResponse, part: Path, sha256: str | None, size: int | None) -> None:
    """Raise `ValueError` for what is no file, or, where no hash will tell, may be half of one."""
    if answer.headers["Content-Encoding"] not in (None, "", "identity"):
        raise WrongAnswerError(f"it comes as {answer.headers['Content-Encoding']}, not as it is")
    if sha256 is None and size is None and not answer.chunked:
        raise WrongAnswerError("the server does not say how long it is, so it may be half of it")
    page = answer.headers.get_content_type() == "text/html"
    if sha256 is None and page and ".htm" not in part.name.removesuffix(part.suffix):
        raise WrongAnswerError("a page of HTML comes in its place")


def _check_content(part: Path) -> None:
    """Raise `ValueError` for what is no file of data by its first bytes."""
    with part.open("rb") as file:
        head = file.read(64).lstrip().lower()
    name = part.name.removesuffix(part.suffix)
    if not head:
        raise ValueError("it is empty")
    if head.startswith((b"<!doctype html", b"<html")) and ".htm" not in name:
        raise ValueError("it is a page of HTML")
    if head.startswith(b"\x1f\x8b") and not name.endswith(COMPRESSED):
        raise ValueError("it is compressed, and not by its name")


def _reason(error: Exception) -> str:
    if type(error) is URLError:
        error = error.reason
    return getattr(error, "strerror", None) or str(error) or type(error).__name__

"""Downloads that continue where a broken connection ended, and the check of what came."""

import hashlib
from errno import EDQUOT, EFBIG, ENOSPC
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from bench.system.progress import print_progress

DOWNLOAD_CHUNK = 1 << 18
TIMEOUT_S = 60
BEYOND = 416  # HTTP: what is there is as long as the file, or longer
FULL = (EDQUOT, EFBIG, ENOSPC)


def download(url: str, part: Path, sha256: str | None, size: int | None) -> None:
    """Bring `part` to the whole file, from what is there of it already.

    A size or hash that is None is not known; the server's word on the size then has to do. Raises
    `ValueError` with the reason. What came is kept, to be continued, after a broken connection;
    not if it is wrong or too long, nor on a full disk, which needs the room.
    """
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        size = _continue(url, part, size)
    except (OSError, HTTPException) as error:
        if getattr(error, "errno", None) in FULL or getattr(error, "code", None) == BEYOND:
            part.unlink(missing_ok=True)
        raise ValueError(_reason(error)) from None
    if size is not None and part.stat().st_size < size:
        raise ValueError(f"the connection ended after {part.stat().st_size} of {size} bytes")
    try:
        check(part, sha256, size)
    except ValueError:
        part.unlink()
        raise


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


def _continue(url: str, part: Path, size: int | None) -> int | None:
    """Fetch what is missing of `part`; return the size of the whole, as far as it is known."""
    start = part.stat().st_size if part.exists() else 0
    if size is not None and start >= size:
        return size
    request = Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    tell = print_progress(f"fetching {url}")
    with urlopen(request, timeout=TIMEOUT_S) as answer:
        resumed = answer.status == 206  # 200: the server sends all of it again
        if size is None and answer.length is not None:
            size = answer.length + start * resumed
        with part.open("ab" if resumed else "wb") as file:
            while (size is None or file.tell() <= size) and (chunk := answer.read(DOWNLOAD_CHUNK)):
                file.write(chunk)
                tell(file.tell(), size or file.tell())
    return size


def _reason(error: Exception) -> str:
    if type(error) is URLError:
        error = error.reason
    return getattr(error, "strerror", None) or str(error) or type(error).__name__

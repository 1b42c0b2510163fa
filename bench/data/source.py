"""What a task's file declares of its data, checked before anything is fetched or written."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

SCHEMES = ("http://", "https://")


class SourceFile(Struct, frozen=True, omit_defaults=True):
    """Where a file is fetched from, and what is known of it."""

    urls: list[str]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None
    size: Annotated[int, Meta(ge=0)] | None = None


class Source(Struct, frozen=True, rename={"from_": "from"}):
    """Kind, origin and terms of data, and their files.

    Of those that are `unrecorded` no hash and size is known; their addresses are `urls`, with
    {file} for the name.
    """

    kind: str = ""
    from_: str | None = None
    terms: str | None = None
    acknowledge: str | None = None
    urls: list[str] = []
    unrecorded: list[str] = []
    files: dict[str, SourceFile] = {}


def read_source(plain: Mapping[str, Any]) -> Source:
    """Return a `SOURCE`. Raises `ValueError` that says what of it is wrong."""
    try:
        source = msgspec.convert(plain, Source)
        files = {file: SourceFile(_fill(file, source.urls)) for file in source.unrecorded}
    except (msgspec.ValidationError, LookupError, AttributeError, ValueError) as error:
        raise ValueError(f"SOURCE: {error}") from None
    files = source.files | files
    for file, of in files.items():
        _check_place(file)
        if not all(url.startswith(SCHEMES) for url in of.urls):
            raise ValueError(f"SOURCE: an address of {file!r} is none of the web")
    return msgspec.structs.replace(source, files=files)


def _fill(file: str, urls: list[str]) -> list[str]:
    return [url.format(file=file) for url in urls]


def _check_place(file: str) -> None:
    """Raise `ValueError` for a name that leads out of the data's folder."""
    path = PurePosixPath(file)
    inside = file.isprintable() and path.parts and not path.is_absolute()
    if not inside or "\\" in file or ".." in path.parts or file.endswith("/"):
        raise ValueError(f"SOURCE: {file!r} is no file within the folder of the data")

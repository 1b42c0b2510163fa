"""Data sets: what task files declare of them as `SOURCE`, what of it is on this disk."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bench.core import plugins
from bench.data.cache import PART, fetch, folder

Progress = Callable[[float, float], None]


def names() -> list[str]:
    """Return the tasks that declare where their data come from."""
    return [name for name in plugins.names("tasks") if plugins.source(name)]


def describe(name: str) -> str:
    """Return kind and state, then each thing that the task declares of its data, a line each."""
    source = plugins.source(name)
    lines = [f"{name}: {source['kind']}, {state(name)}"]
    lines += [
        f"  {key}: {source[key]}" for key in ("from", "terms", "acknowledge") if key in source
    ]
    for file, of in files(source).items():
        size = megabytes(of["size"]) if "size" in of else "size not recorded"
        digest = of.get("sha256", "not recorded")
        there = _state_of_file(name, file, of.get("size"))
        lines.append(f"  {file}: {size}, sha256 {digest}, {there}")
    return "\n".join(lines)


def files(source: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what `fetch` needs to know of each file that a `SOURCE` names.

    `files` says of each its `urls`, `sha256` and `size`. `unrecorded` names files of which the
    last two are not known; their addresses are `urls` of the source, with {file} for the name.
    """
    urls = source.get("urls", ())
    unrecorded = {
        file: {"urls": [url.format(file=file) for url in urls]}
        for file in source.get("unrecorded", ())
    }
    return {**source.get("files", {}), **unrecorded}


def state(name: str) -> str:
    """Return whether the data are on this disk, and how many bytes of them."""
    where = folder() / Path(name).stem
    here = [file for file in where.rglob("*") if file.is_file()]
    if not here:
        return "not here"
    source = plugins.source(name)
    whole = all((where / file).is_file() for file in files(source))
    whole = whole and not any(file.suffix == PART for file in here)
    word = ("here" if source.get("kind") == "download" else "made") if whole else "partly"
    count = f"{len(here)} file{'s' * (len(here) > 1)}"
    size = megabytes(sum(file.stat().st_size for file in here))
    return f"{word}, {count}, {size}"


def get(name: str, patterns: Sequence[str] = ()) -> list[Path]:
    """Download the files of a data set, or those that a pattern fits, unless they are here.

    Raises `ValueError` for data that are not downloaded and patterns that fit nothing.
    """
    known = files(plugins.source(name))
    if not known:
        raise ValueError(f"{name} has nothing to download; 'python -m bench data make {name}'")
    for pattern in patterns:
        if not any(fnmatchcase(file, pattern) for file in known):
            raise ValueError(f"no file {pattern!r} of {name}; there are {', '.join(known)}")
    chosen = [f for f in known if not patterns or any(fnmatchcase(f, p) for p in patterns)]
    return [fetch(Path(name).stem, file, **known[file]) for file in chosen]


def make(name: str, values: Sequence[Any], options: Mapping[str, Any], progress: Progress) -> None:
    """Make the data of a task by its `make(*values, progress=..., **options)`, else by `load`.

    Raises `ValueError` for options that there are not, for values of another kind, and for a task
    that keeps no data.
    """
    if not plugins.source(name):
        raise ValueError(f"{name} keeps no data; each run draws its own")
    module = plugins.load("tasks", name)
    if hasattr(module, "make"):
        function, options = module.make, {"progress": progress, **options}
    else:
        function, options = module.load, {"seed": 0, **options}
    signature = inspect.signature(function)
    try:
        signature.bind(*values, **options)
        function(*values, **options)
    except TypeError as error:
        known = ", ".join(key for key in signature.parameters if key != "progress")
        raise ValueError(f"{name}: {error}; the options are {known}") from None


def megabytes(size: int) -> str:
    """Return a number of bytes in words."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _state_of_file(name: str, file: str, size: int | None) -> str:
    path = folder() / Path(name).stem / file
    if path.is_file():
        there = path.stat().st_size
        return "here" if size in (None, there) else f"here, but of {there} bytes"
    part = path.with_name(path.name + PART)
    return f"{megabytes(part.stat().st_size)} here" if part.is_file() else "not here"

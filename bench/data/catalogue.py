"""Data sets: what task files declare of them as `SOURCE`, what of it is on this disk."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from bench.core import plugins
from bench.core.outcomes import explain
from bench.data.cache import PART, fetch, folder
from bench.data.download import VERSION
from bench.data.source import read_source

Progress = Callable[[float, float], None]


def names() -> list[str]:
    """Return the tasks that declare where their data come from."""
    return [name for name in plugins.names("tasks") if plugins.source(name)]


def describe(name: str) -> str:
    """Return kind and state, then each thing that the task declares of its data, a line each."""
    source = read_source(plugins.source(name))
    lines = [f"{name}: {source.kind}, {state(name)}"]
    told = {"from": source.from_, "terms": source.terms, "acknowledge": source.acknowledge}
    lines += [f"  {key}: {text}" for key, text in told.items() if text is not None]
    for file, of in source.files.items():
        size = megabytes(of.size) if of.size is not None else "size not recorded"
        digest = of.sha256 or "not recorded"
        lines.append(f"  {file}: {size}, sha256 {digest}, {_state_of_file(name, file, of.size)}")
    return "\n".join(lines)


def files(source: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what `fetch` needs to know of each file that a `SOURCE` names, as far as it is known.

    Raises `ValueError` for a `SOURCE` that is none.
    """
    return {name: msgspec.to_builtins(file) for name, file in read_source(source).files.items()}


def state(name: str) -> str:
    """Return whether the data are on this disk, and how many bytes of them."""
    where = folder() / Path(name).stem
    here = [file for file in where.rglob("*") if file.is_file() and file.suffix != VERSION]
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
    known = ", ".join(key for key in signature.parameters if key != "progress")
    try:
        signature.bind(*values, **options)
        function(*values, **options)
    except (ValueError, OSError):
        raise
    except (Exception, SystemExit) as error:
        reason = error if isinstance(error, TypeError) else explain(error)
        raise ValueError(f"{name}: {reason}; the options are {known}") from None


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

"""Croissant metadata (mlcommons.org/croissant/1.0) of what a task's data are on this disk."""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.core import plugins
from bench.data.archive import read_npz
from bench.data.cache import folder
from bench.data.source import read_source

Plain = dict[str, Any]
OWN = (
    "column", "citeAs", "equivalentProperty", "extract", "field", "fileObject", "fileProperty",
    "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField",
    "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator",
    "source", "subField", "transform",
)  # fmt: skip
CONTEXT = {  # the standard's own, which readers compare with
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
} | {key: f"cr:{key}" for key in OWN}
CITATION = "The remul developers: remul, accuracy, equivariance error and speed of 3-D networks"
CHUNK = 2**20  # bytes


def describe(name: str) -> Plain:
    """Return the JSON-LD of a task's data: the files on this disk, their hashes, their arrays.

    A set of records for each file lists its arrays with their shapes and dtypes. Raises
    `ValueError` for a task that keeps no data, and where none of them are on this disk.
    """
    source = read_source(plugins.source(name))
    where = folder() / Path(name).stem
    files = sorted(where.glob("*.npz"))
    if not files:
        made = f"'python -m bench data make {name}' makes them"
        raise ValueError(f"no arrays of {name} are in {where}; {made}")
    newest = max(file.stat().st_mtime for file in files)
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": Path(name).stem,
        "description": " ".join(filter(None, (plugins.describe("tasks", name), source.from_))),
        "license": source.terms or "none is stated",
        "version": f"{plugins.version('tasks', name)}.0.0",
        "datePublished": datetime.fromtimestamp(newest, UTC).date().isoformat(),
        "citeAs": CITATION,
        "creator": {"@type": "sc:Organization", "name": "The remul developers"},
        "distribution": [_describe_file(file) for file in files],
        "recordSet": [_describe_arrays(file) for file in files],
    }


def _describe_file(file: Path) -> Plain:
    return {
        "@type": "cr:FileObject",
        "@id": file.name,
        "name": file.name,
        "contentUrl": file.name,
        "contentSize": f"{file.stat().st_size} B",
        "encodingFormat": "application/zip",
        "sha256": _digest(file),
    }


def _describe_arrays(file: Path) -> Plain:
    """Return a record for each array of a file, which says what it is like."""
    name = f"{file.stem}_arrays"
    fields = {"array": "sc:Text", "shape": "sc:Text", "dtype": "sc:Text"}
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"the arrays of {file.name}; the first axis is that of samples or frames",
        "field": [
            {"@type": "cr:Field", "@id": f"{name}/{key}", "name": key, "dataType": kind}
            for key, kind in fields.items()
        ],
        "data": [
            {f"{name}/array": key, f"{name}/shape": _say(x.shape), f"{name}/dtype": str(x.dtype)}
            for key, x in _arrays(file)
        ],
    }


def _arrays(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    return iter(sorted(read_npz(file).items()))


def _say(shape: tuple[int, ...]) -> str:
    return re.sub(r"[(), ]+", " ", str(shape)).strip()


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()

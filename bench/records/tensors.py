"""Files of tensors and plain values in safetensors: written whole or not at all, no pickle."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from bench.records import files

PLAIN = "plain"  # the entry of the file's metadata that holds the plain values


def as_bytes(tensors: dict[str, Tensor], plain: Any = None) -> bytes:  # noqa: ANN401 - any JSON
    """Return the file of tensors by name, whatever memory they share, and plain values."""
    dense = torch.contiguous_format
    copies = {n: x.detach().cpu().clone(memory_format=dense) for n, x in tensors.items()}
    return save(copies, {PLAIN: json.dumps(plain)})


def read_tensors(file: Path) -> tuple[dict[str, Tensor], Any]:
    """Return the tensors and the plain values. Raises `ValueError` for a file that is not whole."""
    try:
        content = file.read_bytes()  # at once: the file may be replaced while it is read
        tensors = {name: tensor.clone() for name, tensor in load(content).items()}
        return tensors, json.loads(_read_metadata(content).get(PLAIN, "null"))
    except (OSError, SafetensorError, ValueError) as error:
        raise ValueError(f"{file.name} cannot be read: {error}") from None


def _read_metadata(content: bytes) -> dict[str, str]:
    """Return the texts in the header of a file that is whole: its length comes first."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]).get("__metadata__", {})


def write_tree(file: Path, tree: Any) -> None:  # noqa: ANN401 - any tree
    """Write dicts, lists and tuples of tensors and plain values, in each other."""
    tensors: dict[str, Tensor] = {}
    plain = _take_apart(tree, tensors)
    files.write_whole(file, as_bytes(tensors, plain))


def read_tree(file: Path) -> Any:  # noqa: ANN401 - any tree
    """Return what `write_tree` wrote. Raises `ValueError` for anything else."""
    tensors, plain = read_tensors(file)
    try:
        return _put_together(plain, tensors)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file.name} holds no tree: {error}") from None


def _take_apart(tree: Any, tensors: dict[str, Tensor]) -> Any:  # noqa: ANN401 - any tree
    """Return a tree as JSON that keeps keys and tuples, and move its tensors to the others."""
    match tree:
        case Tensor():
            name = str(len(tensors))
            tensors[name] = tree
            return {"tensor": name}
        case dict():
            return {"dict": [[key, _take_apart(value, tensors)] for key, value in tree.items()]}
        case tuple():
            return {"tuple": [_take_apart(value, tensors) for value in tree]}
        case list():
            return [_take_apart(value, tensors) for value in tree]
    return tree


def _put_together(plain: Any, tensors: dict[str, Tensor]) -> Any:  # noqa: ANN401 - any tree
    match plain:
        case {"tensor": name}:
            return tensors[name]
        case {"dict": items}:
            return {key: _put_together(value, tensors) for key, value in items}
        case {"tuple": values}:
            return tuple(_put_together(value, tensors) for value in values)
        case list():
            return [_put_together(value, tensors) for value in plain]
    return plain

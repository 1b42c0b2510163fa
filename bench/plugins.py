"""Plug-ins: a task, model, method or sweep is one file, found by its name; nothing registers."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from remul import Batch, Distance, Model, Signature, Terms

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {
    "tasks": ROOT / "bench" / "tasks",
    "models": ROOT / "models",
    "methods": ROOT / "bench" / "methods",
    "sweeps": ROOT / "bench" / "sweeps",
    "peers": ROOT / "bench" / "peers",
}
OFFERED = {"tasks": "load", "models": "build", "methods": "build"}


@dataclass(frozen=True)
class Task:
    """What `load(seed, **options)` of a task file returns: typed data and how it is scored."""

    signature: Signature
    train: Batch
    val: Batch
    test: Batch
    distance: Distance
    more: Mapping[str, Batch] = field(default_factory=dict)

    @property
    def splits(self) -> dict[str, Batch]:
        """The splits that are scored, by the name that ends a score's name."""
        return {"test": self.test, **self.more}


@dataclass(frozen=True)
class Method:
    """What `build(task, **hparams)` of a method file returns: loss terms, and how they add up.

    `terms(model, batch, generator)` draws its group elements from the generator alone. Training
    that is `constrained` keeps its last state, which meets the constraint, not its best one.
    """

    terms: Callable[[Model, Batch, Generator], Terms]
    penalty: Callable[[Terms], Tensor]
    constrained: bool = False


def names(kind: str) -> list[str]:
    """The plug-ins of a kind: its files whose name does not begin with an underscore."""
    return sorted(p.stem for p in FOLDERS[kind].glob("*.py") if not p.name.startswith("_"))


def networks() -> list[str]:
    """The models that are worth timing: all but the trivial ones."""
    return [name for name in names("models") if not is_trivial(name)]


def find(kind: str, name: str) -> Path:
    """The file of a plug-in, given by its name or by a path that ends in .py.

    Raises `ValueError` with the nearest name if there is none.
    """
    path = Path(name) if name.endswith(".py") else FOLDERS[kind] / f"{name}.py"
    if path.is_file() and not path.name.startswith("_"):
        return path
    known = names(kind)
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    raise ValueError(f"no {kind[:-1]} {name!r}; {hint}")


def load(kind: str, name: str) -> ModuleType:
    """The imported plug-in.

    Raises `ValueError` if there is none, if it does not parse, or lacks the function of its kind.
    """
    path = find(kind, name)
    _tree(path)
    if name.endswith(".py"):
        module = _load_path(path)
    else:
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    wanted = OFFERED.get(kind)
    if wanted and not callable(getattr(module, wanted, None)):
        raise ValueError(f"{path} is no {kind[:-1]}: it has no function {wanted!r}")
    return module


def describe(kind: str, name: str) -> str:
    """First line of the plug-in's docstring, read without importing it."""
    return (ast.get_docstring(_tree(find(kind, name))) or "").partition("\n")[0]


def version(kind: str, name: str) -> int:
    """The plug-in's declared `VERSION`, 1 if it declares none, read without importing it."""
    return _constant(_tree(find(kind, name)), "VERSION", 1)


def claimed_group(model: str) -> str | None:
    """The group of `remul` under which the model says it is exact, read without importing it.

    `EQUIVARIANT = True` in its file claims E3, `EQUIVARIANT = "SE3"` all of it but reflections.
    """
    claim = _constant(_tree(find("models", model)), "EQUIVARIANT", None)
    return "E3" if claim is True else claim or None


def claims_equivariance(model: str) -> bool:
    """Whether the model says that it is exactly equivariant, read without importing it."""
    return claimed_group(model) is not None


def is_trivial(model: str) -> bool:
    """Whether the model's file says `TRIVIAL = True`: shown in tables, never a baseline."""
    return _constant(_tree(find("models", model)), "TRIVIAL", False)


def source(task: str) -> dict[str, Any]:
    """The task file's `SOURCE`: where its data come from; empty without one, not imported."""
    return _constant(_tree(find("tasks", task)), "SOURCE", {})


def package(peer: str) -> str:
    """The `PACKAGE` that a peer needs, by its name in the package index, read without importing."""
    return _constant(_tree(find("peers", peer)), "PACKAGE", "")


def published(model: str) -> dict[str, object]:
    """The hyperparameters that the model's file declares as `PAPER`, read without importing it."""
    return _constant(_tree(find("models", model)), "PAPER", {})


def _constant(tree: ast.Module, name: str, default: Any) -> Any:  # noqa: ANN401 - any literal
    for node in tree.body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if getattr(targets[0], "id", "") == name:
            return ast.literal_eval(node.value)
    return default


def _tree(path: Path) -> ast.Module:
    return _parse(path, path.stat().st_mtime_ns)


@cache
def _parse(path: Path, changed: int) -> ast.Module:
    """The file's syntax; `changed`, its time, has an edited file read again."""
    try:
        return ast.parse(path.read_text())
    except SyntaxError as error:
        raise ValueError(f"{path}, line {error.lineno}: {error.msg}") from None


def _load_path(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"plugin_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module

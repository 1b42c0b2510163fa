"""Plug-ins: a task, model, method or sweep is one file, found by its name; nothing registers."""

from __future__ import annotations

import ast
import importlib
import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.core import syntax
from bench.core.imports import import_path
from bench.core.outcomes import blaming
from bench.system.checkout import ROOT
from bench.system.plain import quote

FOLDERS = {
    "tasks": ROOT / "bench" / "tasks",
    "models": ROOT / "models",
    "methods": ROOT / "bench" / "methods",
    "sweeps": ROOT / "bench" / "sweeps",
    "peers": ROOT / "bench" / "peers",
}
NAME = re.compile(r"(\w+/)?\w+")  # a file of the folder, or of a folder in it
OFFERED = {"tasks": "load", "models": "build", "methods": "build", "sweeps": "runs"}
TAKEN = {  # files and sections of the report that are of no task
    "answer", "discovery", "machines", "others", "peers", "records", "scaling", "speed",
}  # fmt: skip
SHARED = {"models": {"conservative": False}}  # options of each plug-in of a kind, by default
GROUPS = {  # that a model may claim, and the motions under which it is exact then
    "SO3": ("rotations",),
    "O3": ("rotations", "reflections"),
    "SE3": ("rotations", "translations"),
    "E3": ("rotations", "reflections", "translations"),
}


def names(kind: str, folder: str = "") -> list[str]:
    """Return the plug-ins of a kind, as in `egnn`, or of a folder in its own: `discovery/tied`.

    They are the files whose name does not begin with an underscore.
    """
    files = [p for p in (FOLDERS[kind] / folder).glob("*.py") if not p.name.startswith("_")]
    return sorted(str(file.relative_to(FOLDERS[kind]).with_suffix("")) for file in files)


def networks() -> list[str]:
    """Return the models that are worth timing: all but the trivial ones."""
    return [name for name in names("models") if not is_trivial(name)]


def find(kind: str, name: str) -> Path:
    """Return the file of a plug-in, given by its name or by a path that ends in .py.

    Raises `ValueError` if there is none, with the nearest name, and for a task whose name is taken.
    """
    path = FOLDERS[kind] / f"{name}.py" if is_named(name) else Path(name)
    bare = NAME.fullmatch(name) or not is_named(name)
    if bare and os.path.isfile(path) and not path.name.startswith("_"):  # False for odd names too
        if kind == "tasks":
            _check_task_name(path, name)
        return path
    if not is_named(name):
        raise ValueError(f"no file {quote(name)} that is a {kind[:-1]}")
    known = names(kind)
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    raise ValueError(f"no {kind[:-1]} {quote(name)}; {hint}")


def _check_task_name(path: Path, name: str) -> None:
    """Raise `ValueError` for a file whose tables and figures would be taken for others."""
    stem = path.stem.lower()
    if not is_named(name) and os.path.isfile(FOLDERS["tasks"] / f"{stem}.py"):
        raise ValueError(f"{path}: {path.stem!r} is a task of ours already; rename the file")
    if re.split(r"\W", stem)[0] in TAKEN:
        raise ValueError(f"{path}: {path.stem!r} names another part of reports; rename the file")


def is_named(name: str) -> bool:
    """Return whether a plug-in is one of ours by its name, and no path to anywhere."""
    return not name.endswith(".py")


def load(kind: str, name: str) -> ModuleType:
    """Return the imported plug-in.

    Raises `ValueError` if there is none, if it does not parse, raises or exits, with file and line,
    or lacks the function of its kind.
    """
    path = find(kind, name)
    syntax.read_syntax(path)
    with blaming(path):
        if is_named(name):
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = importlib.import_module(".".join(parts))
        else:
            module = import_path(path)
    wanted = OFFERED.get(kind)
    if wanted and not callable(getattr(module, wanted, None)):
        raise ValueError(f"{path} is no {kind[:-1]}: it has no function {wanted!r}")
    return module


def options(kind: str, name: str) -> dict[str, Any]:
    """Return the options of a plug-in with their defaults, read without importing it."""
    return syntax.read_options(find(kind, name), OFFERED[kind]) | SHARED.get(kind, {})


def describe(kind: str, name: str) -> str:
    """Return the first line of the plug-in's docstring, read without importing it."""
    return (ast.get_docstring(syntax.read_syntax(find(kind, name))) or "").partition("\n")[0]


def version(kind: str, name: str) -> int:
    """Return the plug-in's declared `VERSION`, 1 if it declares none, read without importing it."""
    return syntax.read_constant(find(kind, name), "VERSION", 1, int)


def group_claim(model: str, given: Mapping[str, object] | None = None) -> str | None:
    """Return the group of `remul` under which a model says it is exact, read without importing it.

    `EQUIVARIANT = True` in its file claims E3, `EQUIVARIANT = "SE3"` all of it but reflections.
    `EQUIVARIANT = {"frames": {"learned": "SE3"}}` claims it for a value of an option, of those
    given or by default, and nothing for others; of several options each has to claim. Raises
    `ValueError` for other groups.
    """
    file = find("models", model)
    claim = syntax.read_constant(file, "EQUIVARIANT", None, bool, str, dict, type(None))
    if isinstance(claim, dict):
        claim = _choose_claim(file, claim, options("models", model) | dict(given or {}))
    group = "E3" if claim is True else claim or None
    if group not in (None, *GROUPS):
        raise ValueError(f"{file}: EQUIVARIANT has to be True or one of {', '.join(GROUPS)}")
    return group


def _choose_claim(file: Path, claim: dict[str, Any], chosen: dict[str, Any]) -> bool | str | None:
    if not claim.keys() <= chosen.keys() or not all(isinstance(x, dict) for x in claim.values()):
        raise ValueError(
            f"{file}: EQUIVARIANT has to be True, a group or {{option: {{value: group}}}}, with "
            f"options of {', '.join(chosen)}"
        )
    groups = [
        next((group for value, group in by_value.items() if value == chosen[option]), None)
        for option, by_value in claim.items()
    ]
    return groups[0] if groups and all(groups) else None


def claims_equivariance(model: str, given: Mapping[str, object] | None = None) -> bool:
    """Return whether a model says that it is exactly equivariant, read without importing it."""
    return group_claim(model, given) is not None


def is_trivial(model: str) -> bool:
    """Return whether the model's file says `TRIVIAL = True`: shown in tables, never a baseline."""
    return syntax.read_constant(find("models", model), "TRIVIAL", False, bool)


def source(name: str, kind: str = "tasks") -> dict[str, Any]:
    """Return a plug-in's `SOURCE`, where its data or its code come from, without importing it."""
    return syntax.read_constant(find(kind, name), "SOURCE", {}, dict)


def units(task: str) -> dict[str, str]:
    """Return the `UNITS` of a task's fields, read without importing it; none if it cannot be."""
    try:
        return syntax.read_constant(find("tasks", task), "UNITS", {}, dict)
    except ValueError:  # the task is gone, or no longer one
        return {}


def package(peer: str) -> str:
    """Return the `PACKAGE` that a peer needs, by its name in the index, read without importing."""
    return syntax.read_constant(find("peers", peer), "PACKAGE", "", str)


def paper_options(model: str) -> dict[str, object]:
    """Return the options that a model's file declares as `PAPER`, read without importing it."""
    return syntax.read_constant(find("models", model), "PAPER", {}, dict)


def code_digest(kind: str, name: str) -> str:
    """Return eight hex digits of a plug-in's code: comments, layout, docstrings do not count."""
    return syntax.digest(find(kind, name))

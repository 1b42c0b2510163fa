"""Plug-ins: a task, model, method or sweep is one file, found by its name; nothing registers."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.core.config import Plugin
from bench.core.outcomes import BY_PATH
from bench.system.checkout import ROOT

FOLDERS = {
    "tasks": ROOT / "bench" / "tasks",
    "models": ROOT / "models",
    "methods": ROOT / "bench" / "methods",
    "sweeps": ROOT / "bench" / "sweeps",
    "peers": ROOT / "bench" / "peers",
}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
OFFERED = {"tasks": "load", "models": "build", "methods": "build"}
SHARED = {"models": {"conservative": False}}  # options of each plug-in of a kind, by default


def names(kind: str) -> list[str]:
    """Return the plug-ins of a kind: its files whose name does not begin with an underscore."""
    return sorted(p.stem for p in FOLDERS[kind].glob("*.py") if not p.name.startswith("_"))


def networks() -> list[str]:
    """Return the models that are worth timing: all but the trivial ones."""
    return [name for name in names("models") if not is_trivial(name)]


def find(kind: str, name: str) -> Path:
    """Return the file of a plug-in, given by its name or by a path that ends in .py.

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
    """Return the imported plug-in.

    Raises `ValueError` if there is none, if it does not parse, or lacks the function of its kind.
    """
    path = find(kind, name)
    _read_syntax(path)
    if name.endswith(".py"):
        module = _load_path(path)
    else:
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    wanted = OFFERED.get(kind)
    if wanted and not callable(getattr(module, wanted, None)):
        raise ValueError(f"{path} is no {kind[:-1]}: it has no function {wanted!r}")
    return module


def parse(kind: str, text: str) -> Plugin:
    """Return the plug-in that is written `name`, `name:value` or `name:key=value,key=value`.

    A value without a key is that of the first option, as beta in `remul:10`. Raises `ValueError`
    for an unknown plug-in or option.
    """
    name, _, written = text.partition(":")
    defaults = _options(kind, name)
    given = {}
    for word in filter(None, written.split(",")):
        key, equals, value = word.partition("=")
        if not equals:
            key, value = next(iter(defaults), ""), word
        if key not in defaults:
            there = ", ".join(defaults) or "none"
            raise ValueError(f"{kind[:-1]} {name!r} has no option {key!r}; there are {there}")
        kind_of = float if isinstance(defaults[key], float) else lambda value: value
        given[key] = kind_of(parse_value(value))
    return Plugin(name, given)


def parse_value(text: str) -> Any:  # noqa: ANN401 - any literal, else the text itself
    """Return the Python literal that a text is, or the text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _options(kind: str, name: str) -> dict[str, Any]:
    """Return the options of a plug-in with their defaults, read without importing it."""
    shared = SHARED.get(kind, {})
    for node in _read_syntax(find(kind, name)).body:
        if isinstance(node, ast.FunctionDef) and node.name == OFFERED[kind]:
            names = [argument.arg for argument in node.args.args][1:]
            values = [getattr(default, "value", None) for default in node.args.defaults]
            own = dict.fromkeys(names) | dict(zip(reversed(names), reversed(values), strict=False))
            return own | shared
    return shared


def describe(kind: str, name: str) -> str:
    """Return the first line of the plug-in's docstring, read without importing it."""
    return (ast.get_docstring(_read_syntax(find(kind, name))) or "").partition("\n")[0]


def version(kind: str, name: str) -> int:
    """Return the plug-in's declared `VERSION`, 1 if it declares none, read without importing it."""
    return _read_constant(_read_syntax(find(kind, name)), "VERSION", 1)


def group_claim(model: str) -> str | None:
    """Return the group of `remul` under which a model says it is exact, read without importing it.

    `EQUIVARIANT = True` in its file claims E3, `EQUIVARIANT = "SE3"` all of it but reflections.
    """
    claim = _read_constant(_read_syntax(find("models", model)), "EQUIVARIANT", None)
    return "E3" if claim is True else claim or None


def claims_equivariance(model: str) -> bool:
    """Return whether a model says that it is exactly equivariant, read without importing it."""
    return group_claim(model) is not None


def is_trivial(model: str) -> bool:
    """Return whether the model's file says `TRIVIAL = True`: shown in tables, never a baseline."""
    return _read_constant(_read_syntax(find("models", model)), "TRIVIAL", False)


def source(task: str) -> dict[str, Any]:
    """Return a task's `SOURCE`, where its data come from, read without importing it; or nothing."""
    return _read_constant(_read_syntax(find("tasks", task)), "SOURCE", {})


def package(peer: str) -> str:
    """Return the `PACKAGE` that a peer needs, by its name in the index, read without importing."""
    return _read_constant(_read_syntax(find("peers", peer)), "PACKAGE", "")


def paper_options(model: str) -> dict[str, object]:
    """Return the options that a model's file declares as `PAPER`, read without importing it."""
    return _read_constant(_read_syntax(find("models", model)), "PAPER", {})


def code_digest(kind: str, name: str) -> str:
    """Return eight hex digits of a plug-in's code: comments, layout, docstrings do not count."""
    return _code_digest(find(kind, name).read_text())


@cache
def _code_digest(code: str) -> str:
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:8]


def _read_constant(tree: ast.Module, name: str, default: Any) -> Any:  # noqa: ANN401 - any literal
    for node in tree.body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id == name:
                return ast.literal_eval(node.value)
    return default


def _read_syntax(path: Path) -> ast.Module:
    return _parse(path, path.stat().st_mtime_ns)


@cache
def _parse(path: Path, changed: int) -> ast.Module:
    """Return the file's syntax; `changed`, its time, has an edited file read again."""
    try:
        return ast.parse(path.read_text())
    except SyntaxError as error:
        raise ValueError(f"{path}, line {error.lineno}: {error.msg}") from None


def _load_path(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{BY_PATH}{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module

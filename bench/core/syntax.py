"""Python files that are read, not imported: their syntax, constants and a digest of their code."""

import ast
import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
LARGEST_FILE = 2**22  # bytes
OURS = ("bench", "models", "remul")


def read_syntax(path: Path) -> ast.Module:
    """Return the syntax of a file, in whatever encoding it declares.

    Raises `ValueError` that names the file, and the line where there is one.
    """
    try:
        state = path.stat()
        if state.st_size > LARGEST_FILE:
            raise ValueError(f"{path} has {state.st_size:,} bytes, too many for a plug-in")
        return _parse(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None


def read_constant(path: Path, name: str, default: Any, *kinds: type) -> Any:  # noqa: ANN401
    """Return what a file assigns to a name at its top, or the default.

    Raises `ValueError` with file and line for what is no literal, or none of these kinds.
    """
    for node in read_syntax(path).body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id == name:
                return _evaluate(path, node, name, kinds)
    return default


def read_options(path: Path, function: str) -> dict[str, Any]:
    """Return what a file's function takes after its first parameter, with the defaults.

    The default of what has none, or one that is no literal, is None.
    """
    for node in read_syntax(path).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            given = node.args
            places = [*given.posonlyargs, *given.args]
            required = [None] * (len(places) - len(given.defaults))
            defaults = [*required, *given.defaults, *given.kw_defaults]
            names = [parameter.arg for parameter in (*places, *given.kwonlyargs)]
            return dict(list(zip(names, map(_default, defaults), strict=True))[1:])
    return {}


def _default(node: ast.expr | None) -> Any:  # noqa: ANN401 - any literal
    try:
        return None if node is None else ast.literal_eval(node)
    except (RecursionError, TypeError, ValueError):
        return None


def read_literal(text: str) -> Any:  # noqa: ANN401 - any literal
    """Return the Python literal that a text is. Raises `ValueError` for anything else."""
    try:
        return ast.literal_eval(text)
    except (MemoryError, RecursionError, SyntaxError, TypeError, ValueError):
        raise ValueError(f"{text[:80]!r} is no literal") from None


def digest(path: Path) -> str:
    """Return eight hex digits of a file's code, and of that beside it which it imports.

    Comments, layout and docstrings do not count.
    """
    try:
        code = "".join(_dump(file, *_state(file)) for file in (path, *sorted(_helpers(path))))
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply to be read") from None
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _evaluate(path: Path, node: Any, name: str, kinds: tuple[type, ...]) -> Any:  # noqa: ANN401
    try:
        value = ast.literal_eval(node.value)
    except (MemoryError, RecursionError, SyntaxError, TypeError, ValueError):
        raise ValueError(f"{path}, line {node.lineno}: {name} has to be a literal") from None
    if type(value) not in kinds:
        words = " or ".join(kind.__name__ for kind in kinds)
        kind = type(value).__name__
        raise ValueError(f"{path}, line {node.lineno}: {name} has to be {words}, is {kind}")
    return value


@cache
def _parse(path: Path, *state: int) -> ast.Module:
    """Return the file's syntax; its time and size have an edited file read again."""
    try:
        return ast.parse(path.read_bytes())
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise ValueError(f"{path}{line}: {error.msg}") from None
    except (MemoryError, RecursionError):
        raise ValueError(f"{path} is nested too deeply to be read") from None


@cache
def _dump(path: Path, *state: int) -> str:
    """Return the code without its docstrings, as Python 3.11 writes its syntax."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
        if isinstance(node, ast.JoinedStr):
            node.values = [part for part in node.values if ast.unparse(part) != "''"]
    return ast.dump(tree).replace(", type_params=[]", "")


def _state(path: Path) -> tuple[int, int]:
    read_syntax(path)
    state = path.stat()
    return state.st_mtime_ns, state.st_size


def _helpers(path: Path) -> set[Path]:
    """Return the files beside a file that it imports, and those that they import."""
    helpers, left = {path}, [path]
    while left:
        new = {file for name in _imports(left.pop()) for file in _beside(path.parent, name)}
        left += new - helpers
        helpers |= new
    return helpers - {path}


def _imports(path: Path) -> Iterator[str]:
    """Yield the first part of each name that a file imports from anywhere."""
    for node in ast.walk(read_syntax(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _beside(folder: Path, name: str) -> list[Path]:
    if name in sys.stdlib_module_names or name in OURS:
        return []
    return [*folder.glob(f"{name}.py"), *folder.glob(f"{name}/**/*.py")]

"""Modules from files anywhere: a plug-in given by its path, and what lies beside it."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from bench.core.outcomes import BY_PATH


def import_path(path: Path) -> ModuleType:
    """Return the module that a file is, imported anew."""
    spec = importlib.util.spec_from_file_location(f"{BY_PATH}{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with _importing_beside(path.resolve().parent):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _importing_beside(folder: Path) -> Iterator[None]:
    """Let a plug-in import files of its folder; another's of the same name are then its own."""
    before = {*sys.modules}
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.reverse()
        sys.path.remove(str(folder))
        sys.path.reverse()
        new = {*sys.modules} - before
        tops = {name for name in new if _is_in(folder, name, sys.modules[name])}
        for name in new:
            if name.partition(".")[0] in tops:
                del sys.modules[name]


def _is_in(folder: Path, name: str, module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return file in (str(folder / f"{name}.py"), str(folder / name / "__init__.py"))

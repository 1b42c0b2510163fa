"""Keys: eight hex digits that stand for a configuration in the names of its records."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from bench.core import plugins
from bench.core.cases import KINDS, Cell
from bench.core.config import Run, canonical, cell


def run_key(run: Run) -> str:
    """Return the digest of the configuration without its seed, and of each plug-in's VERSION."""
    parts = (("tasks", run.task), ("models", run.model), ("methods", run.method))
    versions = [plugins.version(kind, part.name) for kind, part in parts]
    return _digest(canonical(cell(run)) + json.dumps(versions))


def case_key(case: Cell) -> str:
    """Return the digest of a case of the speed grid, and of each plug-in's VERSION."""
    versions = [run_key(case.run(kind)) for kind in KINDS]
    return _digest(json.dumps([asdict(case), versions], sort_keys=True))


def run_name(run: Run, key: str | None = None) -> str:
    """Return `<model>-<method>-<key>-s<seed>`, with the key of today unless another is given."""
    model, method = Path(run.model.name).stem, Path(run.method.name).stem
    return f"{model}-{method}-{key or run_key(run)}-s{run.seed}"


def case_name(case: Cell, key: str | None = None) -> str:
    """Return `<model>-<nodes>x<batch>-<mode>-<dtype>-<key>`, with the key as in `run_name`."""
    model, size = Path(case.model.name).stem, f"{case.nodes}x{case.batch}"
    return f"{model}-{size}-{case.mode}-{case.dtype}-{key or case_key(case)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]

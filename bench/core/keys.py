"""Keys: eight hex digits that stand for a configuration in the names of its records."""

import hashlib
import json
from dataclasses import asdict, replace

from bench.core import plugins
from bench.core.cases import CASE_KINDS, SpeedCase
from bench.core.config import Plugin, Run, canonical, without_seed


def run_key(run: Run) -> str:
    """Return the digest of the configuration without its seed, and of each plug-in's VERSION."""
    versions = [plugins.version(f"{part}s", plugin.name) for part, plugin in run.plugins.items()]
    named = {part: name_by_code(f"{part}s", plugin) for part, plugin in run.plugins.items()}
    return _digest(canonical(replace(without_seed(run), **named)) + json.dumps(versions))


def case_key(case: SpeedCase) -> str:
    """Return the digest of a case of the speed grid, and of each plug-in's VERSION."""
    versions = [run_key(case.run(kind)) for kind in CASE_KINDS]
    named = replace(case, model=name_by_code("models", case.model))
    return _digest(json.dumps([asdict(named), versions], sort_keys=True))


def name_by_code(kind: str, plugin: Plugin) -> Plugin:
    """Return a plug-in given by its path under its file's name and the digest of its code.

    One given by its name stays as it is: its VERSION says when it has changed.
    """
    if not plugin.name.endswith(".py"):
        return plugin
    digest = plugins.code_digest(kind, plugin.name)
    return replace(plugin, name=f"{plugin.stem}.py {digest}")


def run_name(run: Run, key: str | None = None) -> str:
    """Return `<model>-<method>-<key>-s<seed>`, with the key of today unless another is given."""
    return f"{run.model.stem}-{run.method.stem}-{key or run_key(run)}-s{run.seed}"


def case_name(case: SpeedCase, key: str | None = None) -> str:
    """Return `<model>-<nodes>x<batch>-<mode>-<dtype>-<key>`, with the key as in `run_name`."""
    size = f"{case.nodes}x{case.batch}"
    return f"{case.model.stem}-{size}-{case.mode}-{case.dtype}-{key or case_key(case)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]

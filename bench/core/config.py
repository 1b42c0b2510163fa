"""`Run`: the only configuration there is, frozen and plain."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from math import isfinite
from pathlib import PurePath
from typing import Any

DECAYS = ("exponential", "cosine")
GROUPS = ("tetrahedral", "octahedral", "icosahedral")
SYMMETRISE = ("none", "frame_average", "canonicalise", *(f"group_average({g})" for g in GROUPS))


@dataclass(frozen=True)
class Plugin:
    """A task, model or method by file name, with the options of its `load` or `build`."""

    name: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """The name of the plug-in's file, wherever that is, without its ending."""
        return PurePath(self.name).stem

    def __str__(self) -> str:
        options = ", ".join(f"{key}={_short(value)}" for key, value in sorted(self.kwargs.items()))
        return f"{self.name}({options})" if options else self.name


def _short(value: Any) -> str:  # noqa: ANN401 - any option
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Run:
    """One training: what is trained on what and how, and how it is scored.

    `validations` is how often in a run the best state is looked for; `elements` and `samples`
    are the number of group elements and of inputs per split behind the equivariance errors. After
    training, `symmetrise` wraps the model that is scored and whose inference is timed, and
    `surface` asks for the loss around it, at so many points per side.
    """

    task: Plugin
    model: Plugin
    method: Plugin
    steps: int = 2000
    batch_size: int = 64
    lr: float = 3e-4
    decay: str = "exponential"
    clip: float = 10.0
    seed: int = 0
    validations: int = 20
    elements: int = 20
    samples: int = 500
    symmetrise: str = "none"
    surface: int = 0

    def __post_init__(self) -> None:
        whole = ("steps", "batch_size", "validations", "elements", "samples")
        for name in whole:
            value = getattr(self, name)
            _require(name, value, lambda x: _is_whole(x) and x >= 1, "a whole number from 1")
        for name in ("lr", "clip"):
            _require(name, getattr(self, name), lambda x: x > 0 and isfinite(x), "positive")
        for name in ("seed", "surface"):
            value = getattr(self, name)
            _require(name, value, lambda x: _is_whole(x) and x >= 0, "a whole number from 0")
        for name, known in (("decay", DECAYS), ("symmetrise", SYMMETRISE)):
            _require(name, getattr(self, name), known.__contains__, "one of " + ", ".join(known))

    @property
    def plugins(self) -> dict[str, Plugin]:
        """The task, the model and the method, by these names."""
        return {"task": self.task, "model": self.model, "method": self.method}


def _is_whole(value: Any) -> bool:  # noqa: ANN401 - any value
    return isinstance(value, int) and not isinstance(value, bool)


def _require(name: str, value: Any, holds: Any, wanted: str) -> None:  # noqa: ANN401 - any value
    try:
        good = holds(value)
    except TypeError:
        good = False
    if not good:
        raise ValueError(f"{name} has to be {wanted}, got {value!r}")


def canonical(run: Run) -> str:
    """Return the run as JSON with sorted keys: equal runs give equal text."""
    parts = {part: {"name": p.name, "kwargs": dict(p.kwargs)} for part, p in run.plugins.items()}
    return json.dumps(vars(run) | parts, sort_keys=True)  # ten times as fast as by `asdict`


def run_from_plain(plain: Mapping[str, Any]) -> Run:
    """Return the run that `dataclasses.asdict` took apart. Raises `ValueError` for another."""
    try:
        parts = {name: plugin_from_plain(plain[name]) for name in ("task", "model", "method")}
        return Run(**{**plain, **parts})
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a run: {error}") from None


def plugin_from_plain(plain: Mapping[str, Any]) -> Plugin:
    """Return the plug-in that `dataclasses.asdict` took apart. Raises `TypeError` for another."""
    plugin = Plugin(**plain)
    if not (isinstance(plugin.name, str) and isinstance(plugin.kwargs, Mapping)):
        raise TypeError(f"a name has to be a string, and kwargs a mapping, got {plain}")
    return plugin


def without_folders(run: Run) -> Run:
    """Return the run with the bare names of its plug-ins, wherever their files are."""
    named = {part: replace(plugin, name=plugin.stem) for part, plugin in run.plugins.items()}
    return replace(run, **named)


def without_seed(run: Run) -> Run:
    """Return the configuration of a run: runs that share it are repetitions of each other."""
    return replace(run, seed=0)


RUN_FIELDS = tuple(f.name for f in fields(Run))

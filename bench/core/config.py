"""`Run`: the only configuration there is, frozen and plain."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from math import isfinite
from pathlib import PurePath
from typing import Any

from bench.system.plain import as_plain, quote

DECAYS = ("exponential", "cosine")
OPTIMISERS = ("adam", "adamw", "muon", "block_adam")
PRECISIONS = ("float32", "tf32", "bf16")
ADDED = {
    "optimiser": "adam",
    "precision": "float32",
}  # fields that keys of before do without, where they are so
GROUPS = ("tetrahedral", "octahedral", "icosahedral")
WHOLE = {
    1: ("steps", "batch_size", "validations", "elements", "samples"),
    0: ("seed", "surface"),
}
LARGEST = 10**12
SYMMETRISE = ("none", "frame_average", "canonicalise", *(f"group_average({g})" for g in GROUPS))


@dataclass(frozen=True)
class Plugin:
    """A task, model or method by file name, with the options of its `load` or `build`."""

    name: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name.isprintable()):
            raise ValueError(f"a plug-in's name has to be a word or a path, got {quote(self.name)}")
        if not isinstance(self.kwargs, Mapping):
            raise ValueError(f"the options of {quote(self.name)} have to be a mapping")
        kept = {}
        for option, value in self.kwargs.items():
            try:
                kept |= as_plain({option: value})
            except ValueError as error:
                where = f"plug-in {quote(self.name)}, option {quote(option)}"
                raise ValueError(f"{where}: JSON cannot hold {error}") from None
        object.__setattr__(self, "kwargs", kept)  # a copy: who made it may go on filling its own

    @property
    def stem(self) -> str:
        """The name of the plug-in's file, wherever that is, without its ending."""
        return _stem(self.name)

    @property
    def label(self) -> str:
        """The plug-in as tables write it, by its stem and with its options."""
        return str(replace(self, name=self.stem))

    def __str__(self) -> str:
        options = ", ".join(f"{key}={_short(value)}" for key, value in sorted(self.kwargs.items()))
        return f"{self.name}({options})" if options else self.name


@lru_cache
def _stem(name: str) -> str:  # a path takes long to take apart, and records name few
    return PurePath(name).stem


def _short(value: Any) -> str:  # noqa: ANN401 - any option
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Run:
    """One training: what is trained on what and how, and how it is scored.

    `validations` is how often in a run the best state is looked for; `elements` and `samples`
    are the number of group elements and of inputs per split behind the equivariance errors. After
    training, `symmetrise` wraps the model that is scored and whose inference is timed, and
    `surface` asks for the loss around it, at so many points per side. Of the `optimiser`s "muon"
    orthogonalises the steps of matrices, "block_adam" divides those of their irreps by their
    spectral norms. Training takes matrix products in a `precision`; scores are those of float32.
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
    optimiser: str = "adam"
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name, value in self.plugins.items():
            require(name, value, isinstance(value, Plugin), "a Plugin")
        for first, names in WHOLE.items():
            for name in names:
                require_whole(name, getattr(self, name), first)
        for name in ("lr", "clip"):
            value = getattr(self, name)
            number = _is_whole(value) or isinstance(value, float)
            require(name, value, number and 0 < value <= LARGEST and isfinite(value), "positive")
            object.__setattr__(self, name, float(value))  # 1 and 1.0 are one run
        words = {"decay": DECAYS, "symmetrise": SYMMETRISE}
        words |= {"optimiser": OPTIMISERS, "precision": PRECISIONS}
        for name, known in words.items():
            value = getattr(self, name)
            wanted = "one of " + ", ".join(known)
            require(name, value, isinstance(value, str) and value in known, wanted)

    @property
    def plugins(self) -> dict[str, Plugin]:
        """The task, the model and the method, by these names."""
        return {"task": self.task, "model": self.model, "method": self.method}

    def validates_after(self, step: int) -> bool:
        """Whether the state after a step is scored: `validations` times a run, the last too."""
        done, before = (x * self.validations // self.steps for x in (step, step - 1))
        return done > before


def _is_whole(value: Any) -> bool:  # noqa: ANN401 - any value
    return isinstance(value, int) and not isinstance(value, bool)


def require_whole(name: str, value: Any, first: int) -> None:  # noqa: ANN401 - any value
    """Raise `ValueError` for what is no whole number from the first one on, or absurdly large."""
    holds = _is_whole(value) and first <= value <= LARGEST
    require(name, value, holds, f"a whole number from {first} to {LARGEST:,}")


def require(name: str, value: Any, holds: bool, wanted: str) -> None:  # noqa: ANN401 - any value
    """Raise `ValueError` that says what the value of that name is and has to be, unless it is."""
    if not holds:
        raise ValueError(f"{name} has to be {wanted}, got {quote(value)}")


def canonical(run: Run, **changes: Any) -> str:  # noqa: ANN401 - of fields
    """Return the run, with such changes, as JSON with sorted keys: equal runs give equal text."""
    parts = {part: {"name": p.name, "kwargs": dict(p.kwargs)} for part, p in run.plugins.items()}
    plain = drop_added(vars(run)) | parts | changes  # ten times as fast as `to_plain`
    return json.dumps(plain, sort_keys=True)


def drop_added(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a run without those that were added since and are as they were before.

    So keys, records and what workers of older code are sent stay the same.
    """
    return {name: value for name, value in plain.items() if ADDED.get(name) != value}


def to_plain(config: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    """Return a run, or what holds one, taken apart as `asdict` does, by `drop_added`."""
    return asdict(config, dict_factory=lambda items: drop_added(dict(items)))


def run_from_plain(plain: Mapping[str, Any]) -> Run:
    """Return the run that `to_plain` took apart. Raises `ValueError` for another."""
    try:
        parts = {name: plugin_from_plain(plain[name]) for name in ("task", "model", "method")}
        return Run(**{**plain, **parts})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a run: {error}") from None


def plugin_from_plain(plain: Mapping[str, Any]) -> Plugin:
    """Return the plug-in that `dataclasses.asdict` took apart.

    Raises `TypeError` or `ValueError` for another.
    """
    return Plugin(**plain)


def without_folders(run: Run) -> Run:
    """Return the run with the bare names of its plug-ins, wherever their files are."""
    named = {part: replace(plugin, name=plugin.stem) for part, plugin in run.plugins.items()}
    return replace(run, **named)


def without_seed(run: Run) -> Run:
    """Return the configuration of a run: runs that share it are repetitions of each other."""
    return replace(run, seed=0)


RUN_FIELDS = tuple(f.name for f in fields(Run))

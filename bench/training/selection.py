"""Which runs are to be done: sweeps, selection, overrides, shards, seeds of one configuration."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from signal import ITIMER_REAL, SIGALRM, setitimer, signal
from threading import current_thread, main_thread
from typing import Any

from bench.core import notation, plugins
from bench.core.config import RUN_FIELDS, Run, canonical, without_seed
from bench.core.keys import run_key
from bench.core.outcomes import blaming
from bench.system.plain import quote

SLURM = "SLURM_ARRAY_TASK_"  # begins the names of the variables of a job array
SEEDS = 3  # of a selection without a sweep
MOST_RUNS = 100_000
LISTING_S = 15
NUMBERS = (int, float)  # by their very type: True is none
VALUES = tuple(name for name in RUN_FIELDS if name not in ("task", "model", "method", "seed"))


def load_sweep(name: str) -> list[Run]:
    """Return the runs of a sweep file, paths of plug-ins taken from its folder.

    Raises `ValueError` for unknown sweeps, tasks, models, methods, and options of these.
    """
    file = plugins.find("sweeps", name)
    with _limiting(LISTING_S, f"{file}: it took more than {LISTING_S} s to list its runs"):
        module = plugins.load("sweeps", name)
        with blaming(file):
            runs = list(islice(module.runs(), MOST_RUNS + 1))
    _check_number(len(runs), str(file))
    for run in runs:
        if not isinstance(run, Run):
            raise ValueError(f"{file} is no sweep: runs() has to yield Run, got {quote(run)}")
    return [_complete(_locate(run, file.resolve().parent)) for run in runs]


def distinct(runs: Iterable[Run]) -> list[Run]:
    """Return the runs, equal ones once."""
    return list({canonical(run): run for run in runs}.values())


@contextmanager
def _limiting(seconds: float, otherwise: str) -> Iterator[None]:
    """Raise `ValueError` if it takes longer, where alarms can be had: in the main thread."""
    if current_thread() is not main_thread():
        yield
        return

    def stop(*_: Any) -> None:  # noqa: ANN401 - what a handler is given
        raise _TooLongError

    before = signal(SIGALRM, stop)
    setitimer(ITIMER_REAL, seconds, 1.0)  # and again, should the file catch it
    try:
        yield
    except _TooLongError:
        raise ValueError(otherwise) from None
    finally:
        setitimer(ITIMER_REAL, 0)
        signal(SIGALRM, before)


class _TooLongError(KeyboardInterrupt):
    """Time is over; no error that a file would handle."""


def _check_number(runs: int, whose: str) -> None:
    if not 1 <= runs <= MOST_RUNS:
        number = "no runs" if not runs else f"more than {MOST_RUNS:,} runs"
        raise ValueError(f"{whose} gives {number}")


def _locate(run: Run, folder: Path) -> Run:
    """Return the run with the paths of its plug-ins, if they are relative, from a folder on."""
    located = {
        part: replace(plugin, name=str(folder / plugin.name))
        for part, plugin in run.plugins.items()
        if plugin.name.endswith(".py")
    }
    return replace(run, **located)


def _complete(run: Run) -> Run:
    """Return the run with its plug-ins as the command line would have them."""
    parts = {part: notation.complete(f"{part}s", plugin) for part, plugin in run.plugins.items()}
    return replace(run, **parts)


def pair_plugins(task: str, models: Iterable[str], methods: Iterable[str]) -> list[Run]:
    """Return the runs of each model with each method on a task, three seeds each, seed by seed.

    Each is written as `notation.parse` reads it. Raises `ValueError` for unknown ones.
    """
    data = notation.parse("tasks", task)
    parts = [
        (notation.parse("models", model), notation.parse("methods", method))
        for model in models
        for method in methods
    ]
    runs = [Run(data, *part, seed=seed) for seed in range(SEEDS) for part in parts]
    return [_locate(run, Path.cwd()) for run in runs]


def replace_values(runs: list[Run], settings: Iterable[str]) -> list[Run]:
    """Return the runs with other values, each given as `key=value`, of fields such as `lr`."""
    values = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or key not in VALUES:
            raise ValueError(f"--set takes KEY=VALUE of {', '.join(VALUES)}, got {setting!r}")
        values[key] = notation.parse_value(text)
    return [replace(run, **values) for run in runs]


def override(runs: list[Run], seeds: int | None, steps: int | None) -> list[Run]:
    """Return the runs with so many seeds of each configuration, from 0, and so many steps each."""
    if seeds is not None:
        if seeds < 1:
            raise ValueError(f"seeds has to be at least 1, got {seeds}")
        configurations = {run_key(run): run for run in runs}.values()
        _check_number(seeds * len(configurations), f"--seeds {quote(seeds)}")
        runs = [replace(run, seed=seed) for seed in range(seeds) for run in configurations]
    return runs if steps is None else [replace(run, steps=steps) for run in runs]


def select(runs: list[Run], conditions: Iterable[str]) -> list[Run]:
    """Return the runs that meet every `key=glob`; a key is a field of `Run`, or `method.beta` etc.

    Numbers are compared as such, and a plug-in given by its path goes by its file's name too.
    Raises `ValueError` for an unknown key and when nothing is left.
    """
    for condition in conditions:
        key, equals, glob = condition.partition("=")
        if not equals:
            raise ValueError(f"--only takes key=glob, got {condition!r}")
        values = [_value(run, key) for run in runs]
        kept = [run for run, value in zip(runs, values, strict=True) if _matches(value, glob)]
        if not kept:
            there = ", ".join(sorted({str(value) for value in values}))
            raise ValueError(f"no run has {condition}; {key} is one of {there}")
        runs = kept
    return runs


def shard(runs: list[Run], part: str | None) -> list[Run]:
    """Return part i of n of the runs, `i/n` from 1 on; without it Slurm's variables decide."""
    if part is None:
        index, count = _read_slurm()
        return runs[index::count]
    index, slash, count = part.partition("/")
    numbers = slash and all(re.fullmatch("[0-9]{1,9}", number) for number in (index, count))
    if not (numbers and 1 <= int(index) <= int(count)):
        raise ValueError(f"--shard takes i/n with 1 <= i <= n, got {part!r}")
    return runs[int(index) - 1 :: int(count)]


def by_configuration(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Return the runs by their key: each list holds the seeds of one configuration."""
    configurations: dict[str, list[Run]] = {}
    for run in runs:
        configurations.setdefault(run_key(run), []).append(run)
    return configurations


def group_seeds(runs: list[Run], jobs: int) -> list[list[int]]:
    """Return the places of runs to train at once: seeds of one configuration, shared among jobs.

    What has no second seed is in none.
    """
    seeds: dict[str, list[int]] = {}
    for place, run in enumerate(runs):
        seeds.setdefault(canonical(without_seed(run)), []).append(place)
    parts = -(-jobs // len(seeds))
    groups = [places[part::parts] for places in seeds.values() for part in range(parts)]
    return [places for places in groups if len(places) > 1]


def _matches(value: Any, glob: str) -> bool:  # noqa: ANN401 - any field's value
    number = notation.parse_value(glob)
    if type(value) in NUMBERS and type(number) in NUMBERS:
        return value == number
    named = [str(value)]
    if isinstance(value, str) and not plugins.is_named(value):
        named += [Path(value).name, Path(value).stem]
    return any(fnmatchcase(name, glob) for name in named)


def _value(run: Run, key: str) -> Any:  # noqa: ANN401 - any field's value
    part, _, option = key.partition(".")
    if part in ("task", "model", "method"):
        plugin = getattr(run, part)
        return plugin.kwargs.get(option) if option else plugin.name
    if key not in RUN_FIELDS:
        raise ValueError(
            f"no key {key!r}; there are {', '.join(RUN_FIELDS)}, and method.beta and such"
        )
    return asdict(run)[key]


def _read_slurm() -> tuple[int, int]:
    """Return the place of this task in Slurm's array, from 0, and the number of its tasks.

    Raises `ValueError`, naming the variable, for one that Slurm would not set so.
    """
    if f"{SLURM}ID" not in os.environ:
        return 0, 1
    least = {"ID": 0, "MIN": 0, "STEP": 1, "COUNT": 1}
    values = {name: os.environ.get(f"{SLURM}{name}", "") for name in least}
    for name, text in values.items():
        if not (re.fullmatch("[0-9]{1,9}", text) and int(text) >= least[name]):
            wanted = f"a whole number from {least[name]}, or --shard given"
            raise ValueError(f"{SLURM}{name} has to be {wanted}, got {text!r}")
    number, low, step, count = (int(text) for text in values.values())
    index, rest = divmod(number - low, step)
    if rest or not 0 <= index < count:
        raise ValueError(f"{SLURM}ID {number} is none of {count} from {low} in steps of {step}")
    return index, count

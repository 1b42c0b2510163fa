"""`run`: train and score what a sweep lacks."""

from __future__ import annotations

import argparse
import os
from argparse import ArgumentParser, Namespace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import FAILED, OK, _options
from bench.core.config import Run
from bench.system import environment, machine
from bench.system.clock import now
from bench.system.plain import quote

if TYPE_CHECKING:
    from bench.training.engines import Choice
    from bench.training.launcher import Training, TrainingOptions

MOST_JOBS = 10_000
ARTIFACTS = ("weights", "predictions")
EXAMPLE = "run quick --only model=egnn method=plain --seeds 1"


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    command.add_argument("sweep", nargs="?", help="name of a sweep, or the path of a sweep file")
    pairs = command.add_argument_group("without a sweep: each model with each method")
    pairs.add_argument("--task", metavar="T", help="as in nbody_gravity:val=500, or my_task.py")
    pairs.add_argument(
        "--models", nargs="+", metavar="M", help="as in egnn or my_model.py:channels=64"
    )
    pairs.add_argument("--methods", nargs="+", metavar="M", help="as in plain augment remul:10")
    command.add_argument(
        "--only", nargs="+", action="extend", default=[], metavar="KEY=GLOB",
        help="runs that match, such as model=egnn or method.beta=10",
    )  # fmt: skip
    command.add_argument("--seeds", type=int, metavar="N", help="so many seeds of each cell")
    command.add_argument("--steps", type=int, metavar="N", help="so many training steps")
    command.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
        help="for all runs, such as lr=1e-3 or batch_size=32",
    )  # fmt: skip
    command.add_argument("--device", default="cpu", metavar="D", help="cpu (default) or cuda")
    command.add_argument(
        "--engine", default="local", metavar="E",
        help="where runs are trained: local (default), slurm:partition=gpu,gpus=1,time=60 or "
        "dask=ADDRESS; times are taken here",
    )  # fmt: skip
    command.add_argument(
        "--jobs", type=int, metavar="N",
        help="parallel runs (default: cores, or what the engine has); on a CPU each may take half "
        "of the free memory, on a GPU its share",
    )  # fmt: skip
    _options.budget_argument(command, float("inf"), "start no run after this, which is no failure")
    _options.timeout_argument(command)
    command.add_argument("--shard", metavar="I/N", help="part I of N (default: Slurm's array)")
    command.add_argument("--dry-run", action="store_true", help="list the cells and the time")
    command.add_argument("--force", action="store_true", help="run finished ones again")
    command.add_argument("--no-timing", action="store_true", help="train and score alone")
    command.add_argument(
        "--log-dir", type=Path, metavar="DIR", help="curves and scores for TensorBoard, run by run"
    )
    command.add_argument(
        "--keep", nargs="+", choices=ARTIFACTS, default=[], metavar="WHAT",
        help="of each run that is trained, beside its record: weights, predictions",
    )  # fmt: skip
    _options.checkpoint_argument(command)
    _speed_arguments(command.add_mutually_exclusive_group())
    command.add_argument(
        "--graph", action="store_true", help="on a GPU, each step as one CUDA graph where it can be"
    )
    _options.results_argument(command)
    _options.data_argument(command)


def _speed_arguments(command: argparse._MutuallyExclusiveGroup) -> None:
    command.add_argument("--vectorise", action="store_true", help="train seeds of a cell at once")
    command.add_argument(
        "--compile", action="store_true",
        help="train with losses and gradients compiled by torch.compile; records say so",
    )  # fmt: skip


def run(options: Namespace) -> int:
    """train and score what a sweep lacks, then time it, then show the table"""
    from bench.records.run_store import RunStore
    from bench.reporting.runs_table import write_runs_table
    from bench.timing.runs import measure_runs
    from bench.training import engines, launcher, scalars, selection

    if options.vectorise and options.graph:
        raise ValueError("--vectorise trains seeds at once, --graph one by one: give one of them")
    engine = engines.parse(options.engine)
    _options.choose_data(options)
    _options.choose_compiler(options.compile)
    os.environ[environment.CHECKPOINT_S] = str(options.checkpoint)
    os.environ[environment.KEPT] = " ".join(options.keep)
    os.environ[environment.GRAPH] = "1" * options.graph
    if options.device == "cuda" and engine.is_local:
        os.environ[environment.GPU_SHARE] = str(1 / _jobs(options, engine))
    chosen = selection.replace_values(_chosen(options), options.set)
    asked = selection.override(chosen, options.seeds, options.steps)
    sweep = selection.distinct(asked)
    if len(sweep) < len(asked):
        print(f"{len(asked)} runs are asked for; {len(asked) - len(sweep)} equal others: once each")
    runs = selection.shard(selection.select(sweep, options.only), options.shard)
    store = RunStore(options.results / _folder(options, engine))
    if options.log_dir:
        scalars.check_installed()
    limits = (options.budget, options.force, options.vectorise, options.timeout, options.log_dir)
    training_options = launcher.TrainingOptions(
        runs, store, options.device, _jobs(options, engine), *limits, engine
    )
    if options.dry_run:
        print(launcher.estimate(training_options))
        return OK
    _options.check_temporary_folder()
    stages = [now()]
    training = launcher.train_missing(training_options)
    stages.append(now())
    timed = options.no_timing or measure_runs(runs, store, options.device, options.timeout)
    stages.append(now())
    complete = launcher.all_finished(training_options) and training.complete and timed
    records, texts = _options.read_runs(store), {}
    print(write_runs_table(store.root, records, "text", None, texts.__setitem__))
    print(_spent(training, stages, training_options))
    _options.write_changed(texts)
    return OK if complete else FAILED


def _spent(training: Training, stages: list[float], options: TrainingOptions) -> str:
    """Return where the time went, in one line."""
    from bench.system.progress import duration

    trained_s, timed_s = (after - before for before, after in pairwise(stages))
    parts = f"training {duration(training.training_s)}, scoring {duration(training.scoring_s)}"
    where = f"{options.jobs} worker{'s' * (options.jobs > 1)}"
    workers = f"{where if options.engine.is_local else options.engine.name}: {parts}"
    return f"spent {duration(trained_s)} on runs ({workers}), {duration(timed_s)} on timing"


def _chosen(options: Namespace) -> list[Run]:
    """The runs of the sweep, or those of each model with each method."""
    from bench.training import selection

    pairs = (options.task, options.models, options.methods)
    if options.sweep and not any(pairs):
        return selection.load_sweep(options.sweep)
    if not options.sweep and all(pairs):
        return selection.pair_plugins(*pairs)
    raise ValueError("run takes a sweep, or --task, --models and --methods")


def _folder(options: Namespace, engine: Choice) -> str:
    """Return the name of this machine's folder.

    Where there is no GPU, and nothing is to be timed, nodes of an engine may have one all the same.
    """
    try:
        return machine.folder(options.device)
    except ValueError:
        if engine.is_local or not options.no_timing or options.device != "cuda":
            raise
        return machine.folder("cpu")


def _jobs(options: Namespace, engine: Choice) -> int:
    if options.jobs is not None and not 1 <= options.jobs <= MOST_JOBS:
        wanted = f"at least 1, and at most {MOST_JOBS:,}"
        raise ValueError(f"--jobs has to be {wanted}, got {quote(options.jobs)}")
    here = machine.cores() if options.device == "cpu" else 1
    return options.jobs or (here if engine.is_local else MOST_JOBS)

"""Engines: what carries jobs to nodes, as executors of `concurrent.futures`.

`local` has the cores of this machine, `slurm` sends job arrays, `dask` asks a running cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.system.pool import Pool
from bench.training import slurm
from bench.training.job import Job, Report, train_job

PACKAGES = {"local": "", "slurm": "submitit", "dask": "distributed"}
CONNECT_S = 10.0


@dataclass(frozen=True)
class Choice:
    """An engine by its name, and how it is to be used: options of Slurm, the address of Dask."""

    name: str = "local"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        """Whether runs are trained on this machine, by processes of this one."""
        return self.name == "local"


LOCAL = Choice()


@dataclass(frozen=True)
class Engine:
    """An executor, what it is to execute, and the errors that tell of a node's death."""

    executor: Executor
    train: Callable[[Job], Report]
    deaths: tuple[type[Exception], ...] = ()

    def submit(self, job: Job) -> Future[Report]:
        """Have a node train a job."""
        return self.executor.submit(self.train, job)


def parse(text: str) -> Choice:
    """Return the engine that is written `local`, `slurm`, `slurm:KEY=VALUE,...` or `dask=ADDRESS`.

    Raises `ValueError` for another, and for one whose package is not installed.
    """
    if text.startswith("dask="):
        choice = Choice("dask", {"address": text.removeprefix("dask=")})
    else:
        name, _, written = text.partition(":")
        choice = Choice(name, slurm.parse(written) if name == "slurm" else {})
        if name not in ("local", "slurm") or (written and not choice.options):
            raise ValueError(f"no engine {text!r}; there are local, slurm:KEY=VALUE, dask=ADDRESS")
    package = PACKAGES[choice.name]
    if package and find_spec(package) is None:
        raise ValueError(
            f"--engine {choice.name} needs {package}: pip install 'remul[{choice.name}]'"
        )
    return choice


@contextmanager
def open_engine(choice: Choice, jobs: int, folder: Path) -> Iterator[Engine]:
    """Yield an engine for so many jobs at a time; in the end it has none in hand.

    `folder` is shared with all nodes. Raises `ValueError` for a cluster that cannot be reached.
    """
    kinds = {"local": _open_local, "slurm": _open_slurm, "dask": _open_dask}
    with kinds[choice.name](choice.options, jobs, folder) as engine:
        yield engine


@contextmanager
def _open_local(options: Mapping[str, Any], jobs: int, folder: Path) -> Iterator[Engine]:
    with ThreadPoolExecutor(jobs) as threads, Pool() as pool:
        yield Engine(threads, partial(train_job, pool=pool))


@contextmanager
def _open_slurm(options: Mapping[str, Any], jobs: int, folder: Path) -> Iterator[Engine]:
    with slurm.SlurmExecutor(folder / "slurm", options) as executor:
        yield Engine(executor, slurm.Trainer(), (slurm.LostJobError,))


@contextmanager
def _open_dask(options: Mapping[str, Any], jobs: int, folder: Path) -> Iterator[Engine]:
    from distributed import Client
    from distributed.scheduler import KilledWorker

    address = options["address"]
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"no Dask scheduler answers at {address!r}: {error}") from None
    with client:
        if client.run_on_scheduler(find_spec, "bench") is None:
            raise ValueError(f"the scheduler at {address!r} cannot import bench: see docs/scale.md")
        executor = client.get_executor(pure=False)
        try:
            yield Engine(executor, train_in_dask, (KilledWorker,))
        finally:
            executor.shutdown(wait=False)


def train_in_dask(job: Job) -> Report:
    """Train a job in a worker of Dask until its client has no more use for it, or is gone."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def is_wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing"

    with Pool(job.variables) as pool:
        return train_job(job, pool, is_wanted)

"""Slurm, by submitit: what is submitted within a second becomes one job array."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

from bench.system import signals
from bench.system.checkout import ROOT
from bench.system.clock import now
from bench.system.plain import one_line, quote
from bench.system.pool import Pool
from bench.training.job import Job, Report, train_job

NAMES = {  # of our options, as submitit has them
    "partition": "partition", "account": "account", "qos": "qos", "gpus": "gpus_per_node",
    "cpus": "cpus_per_task", "memory": "mem", "time": "time",
}  # fmt: skip
WORDS = ("partition", "account", "qos")
DEFAULTS = {"time": 60, "requeue": 0}
LARGEST_ARRAY = 1000  # Slurm's own default is 1001
LOOK_S = 1.0  # between looks for results, which are files
ASK_S = 10.0  # between questions to Slurm, which are for those that leave none
RULE = "-" * 22  # before and after the trace in an error of submitit
ENDED = (
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
    "PREEMPTED", "REVOKED", "TIMEOUT", "unknown",
)  # fmt: skip


class LostJobError(RuntimeError):
    """A job ended without a result: it was killed, or had no time left."""


class Trainer:
    """Trains a job on a node until Slurm cancels it; what has no time left may be queued again."""

    def __call__(self, job: Job) -> Report:
        """Return what has become of the runs of a job."""
        signals.clean_up_first()
        with Pool(job.variables) as pool:
            return train_job(job, pool)

    def checkpoint(self, job: Job) -> Any:  # noqa: ANN401 - a type of submitit
        """Return what is to be queued again: the job, as the store tells what is left of it."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, job)


def parse(text: str) -> dict[str, Any]:
    """Return the options that are written `key=value,key=value`. Raises `ValueError` for others."""
    options: dict[str, Any] = dict(DEFAULTS)
    for word in filter(None, text.split(",")):
        key, _, value = word.partition("=")
        known = key in NAMES or key in DEFAULTS
        if not known or not (value if key in WORDS else value.isdecimal()):
            wanted = f"{', '.join(WORDS)} and numbers of gpus, cpus, memory (GB), time (minutes)"
            raise ValueError(f"slurm has no option {quote(word)}; there are {wanted}, requeue")
        options[key] = value if key in WORDS else int(value)
        if key == "memory":
            options[key] = f"{value}GB"
    return options


class SlurmExecutor(Executor):
    """Sends what is submitted to Slurm, from a folder that all nodes share, and waits for results.

    The folder goes in the end, unless a job has ended without a result: then it has its output.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        if shutil.which("sbatch") is None:
            raise ValueError("--engine slurm: there is no sbatch here; start it where there is one")
        from submitit.slurm.slurm import SlurmExecutor as Submitter

        folder.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(dir=folder.resolve(), prefix="jobs-"))
        self.submitter = Submitter(self.folder, max_num_timeout=options["requeue"])
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self.submitter.update_parameters(
            job_name="remul",
            array_parallelism=LARGEST_ARRAY,
            stderr_to_stdout=True,
            setup=[f"export PYTHONPATH={shlex.quote(path)}"],
            **{NAMES[key]: value for key, value in options.items() if key in NAMES},
        )
        self.submitted: SimpleQueue[tuple[Future, Callable, tuple]] = SimpleQueue()
        self.jobs: dict[str, tuple[Any, Future]] = {}  # by their number in Slurm
        self.doubtful: set[str] = set()
        self.asked_s, self.over, self.lost_any = now(), Event(), False
        self.thread = Thread(target=self._watch, daemon=True)
        self.thread.start()

    def submit(self, function: Callable, /, *arguments: Any) -> Future:  # noqa: ANN401 - as Executor has it
        """Have Slurm run a function; a future that is cancelled cancels its job."""
        future: Future = Future()
        self.submitted.put((future, function, arguments))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel what has not ended."""
        self.over.set()
        self._cancel([*self.jobs])
        self.thread.join()
        self._cancel([*self.jobs])  # what was on its way to Slurm
        if not self.lost_any:
            shutil.rmtree(self.folder, ignore_errors=True)
            with suppress(OSError):
                self.folder.parent.rmdir()

    def _watch(self) -> None:
        try:
            while not self.over.wait(LOOK_S):
                self._send()
                self._collect()
                if now() - self.asked_s >= ASK_S:
                    self._ask()
        except Exception as error:  # for who waits, in another thread
            for _, future in self.jobs.values():
                _settle(future, error)

    def _send(self) -> None:
        """Send what was submitted as one array."""
        batch = []
        with suppress(Empty):
            while len(batch) < LARGEST_ARRAY:
                batch.append(self.submitted.get_nowait())
        batch = [entry for entry in batch if not entry[0].cancelled()]
        if not batch:
            return
        try:
            with self.submitter.batch():
                jobs = [self.submitter.submit(do, *arguments) for _, do, arguments in batch]
            self.jobs |= {j.job_id: (j, f) for j, (f, _, _) in zip(jobs, batch, strict=True)}
        except Exception as error:  # whatever sbatch and submitit say is for who waits
            for future, _, _ in batch:
                future.set_exception(ValueError(f"Slurm takes no jobs: {_last_line(error)}"))

    def _collect(self) -> None:
        """Take the results that are there, and cancel what nobody waits for."""
        self._cancel([name for name, (_, future) in self.jobs.items() if future.cancelled()])
        with suppress(OSError):
            self.folder.chmod(0o700)  # has a network file system look again
        ended = [name for name, (job, _) in self.jobs.items() if job.paths.result_pickle.exists()]
        for name in ended:
            job, future = self.jobs.pop(name)
            try:
                _settle(future, job.result())
                for file in (job.paths.submitted_pickle, job.paths.result_pickle, job.paths.stdout):
                    file.unlink(missing_ok=True)
            except Exception as error:
                self.lost_any = True
                lost = "UncompletedJobError" in str(error)  # of submitit: no time left
                kind = LostJobError if lost else ValueError
                _settle(future, kind(f"Slurm's job {name}: {_last_line(error)}"))

    def _ask(self) -> None:
        """Give up the jobs that ended without a result, seen twice so."""
        self.asked_s = now()
        command = ["squeue", "--me", "--array", "--states=all", "--noheader", "--format=%i %T"]
        told = subprocess.run(command, capture_output=True, text=True)
        if told.returncode:
            return
        states = dict(line.split() for line in told.stdout.splitlines())
        ended = {name for name in self.jobs if states.get(name, "unknown") in ENDED}
        for name in ended & self.doubtful:
            self.lost_any = True
            job, future = self.jobs.pop(name)
            how = f"ended as {states.get(name, 'unknown')}; its output is {job.paths.stdout}"
            _settle(future, LostJobError(f"Slurm's job {name} {how}"))
        self.doubtful = ended

    def _cancel(self, names: list[str]) -> None:
        if names:
            subprocess.run(["scancel", *names], capture_output=True)
        for name in names:
            _, future = self.jobs.pop(name)
            future.cancel()


def _settle(future: Future, result: Report | Exception) -> None:
    """Give a future its result, unless it was cancelled meanwhile."""
    with suppress(Exception):
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)


def _last_line(error: Exception) -> str:
    """Return the line of an error that says most: the last one, of its trace if it has one."""
    _, _, trace = str(error).partition(RULE)
    lines = (trace.partition(RULE)[0] or str(error)).strip().splitlines()
    return one_line(lines[-1] if lines else type(error).__name__)

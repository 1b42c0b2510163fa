"""What an engine adds to a run, and what a shared store costs: figures for docs/scale.md.

The long form, `CLUSTER=long`, keeps them; the load that the machine was under stands beside them.
"""

import os
import platform
import statistics
import subprocess
import sys
import time
from concurrent.futures import wait
from functools import partial
from math import inf

import pytest
from clusters import Sweep, keep

from bench.core.config import to_plain
from bench.records import files
from bench.records.claims import Claims, read_claims, read_owner
from bench.records.run_record import blank_record
from bench.records.run_store import RunStore
from bench.system import machine
from bench.timing.runs import measure_runs
from bench.training import engines, selection
from bench.training.job import Job
from bench.training.launcher import TrainingOptions, train_missing

pytestmark = pytest.mark.system
SLOTS = 2  # of each engine here
JOBS, RUNS = 20, 6
KEPT, HELD = (300, 20_000), 1_000  # files of a task, and claims on runs in hand


@pytest.fixture(autouse=True)
def only_in_the_long_form(long):
    if not long:
        pytest.skip("CLUSTER=long measures, as `tox run -e cluster` does")


@pytest.mark.parametrize("name", ["local", "dask", "slurm"])
def test_the_overhead_of_a_run(name, request, tmp_path, monkeypatch):
    cluster = None if name == "local" else request.getfixturevalue(name)
    for variable, value in (cluster.variables if cluster else {}).items():
        monkeypatch.setenv(variable, value)
    choice = engines.parse(cluster.engine if cluster else "local")
    sweep = Sweep(tmp_path, name, {}, RUNS, models=("drift",))
    runs = selection.load_sweep(str(sweep.file))
    store, empty = RunStore(tmp_path / "r"), RunStore(tmp_path / "empty")
    empty.write(blank_record(runs[0]))
    figures = carry(choice, empty, runs[0]) | train(choice, store, runs)
    assert all(store.finished(run) for run in runs)
    keep(name, figures | conditions())


def carry(choice, store, run):
    """Milliseconds to have jobs done in which nothing is to be done, one alone and of many."""
    job = Job([to_plain(run)], [None], str(store.root), "cpu")
    with engines.open_engine(choice, SLOTS, store.root) as engine:
        engine.submit(job).result()
        alone_s = seconds_of(lambda: engine.submit(job).result())
        all_s = seconds_of(lambda: wait([engine.submit(job) for _ in range(JOBS)]))
    return {"one_job_ms": round(1000 * alone_s), "slot_ms": round(1000 * SLOTS * all_s / JOBS)}


def train(choice, store, runs):
    """Seconds of a slot that a run takes beyond its training and scoring."""
    jobs = SLOTS if choice.is_local else len(runs)
    options = TrainingOptions(runs, store, "cpu", jobs, inf, False, engine=choice)
    took_s = seconds_of(lambda: train_missing(options))
    spent_s = sum(store.find(run).seconds for run in runs)
    return {
        "run_s": round((SLOTS * took_s - spent_s) / len(runs), 1),
        "trained_s": round(spent_s / len(runs), 1),
        "runs": len(runs),
    }


def test_the_time_that_timing_takes(tmp_path):
    """It is taken here, whatever engine has trained, and grows with the number of cells."""
    sweep = Sweep(tmp_path, "local", {}, 1, models=("egnn", "transformer"), steps=4)
    runs, store = selection.load_sweep(str(sweep.file)), RunStore(tmp_path / machine.folder("cpu"))
    train_missing(TrainingOptions(runs, store, "cpu", SLOTS, inf, False))
    took_s = seconds_of(lambda: measure_runs(runs, store, "cpu"))
    assert all(store.find(run).timings for run in runs)
    keep("timing", {"cell_s": round(took_s / len(runs), 1)} | conditions())


@pytest.mark.parametrize("kept", KEPT)
def test_the_cost_of_a_claim(kept, tmp_path, monkeypatch):
    """What a run costs beside files that are kept and claims of others on as many as run."""
    for index in range(kept):
        (tmp_path / f"egnn-plain-0123abcd-s{index}.json").touch()
    others, claims = Claims(), Claims()
    for index in range(HELD):
        assert others.take(tmp_path / f"egnn-plain-89abcdef-s{index}.json")
    target = tmp_path / "egnn-plain-0123abcd-s0.json"

    def claim():
        assert claims.take(target)
        files.remove_parts(target)
        claims.release(target)

    figures = {
        "names_listed": count_names(monkeypatch, claim),
        "claim_ms": milliseconds(claim),
        "look_ms": milliseconds(lambda: [*map(read_owner, read_claims(tmp_path).values())]),
    }
    keep(f"store_{kept}", {"files": kept, "claims": HELD} | figures | conditions())


def count_names(monkeypatch, do):
    """How many names of files are read from folders while something is done."""
    names = []

    def listing(list_folder, folder):
        names.extend(os.fspath(entry) for entry in list_folder(folder))
        return list_folder(folder)

    with monkeypatch.context() as patch:
        for name in ("listdir", "scandir"):
            patch.setattr(os, name, partial(listing, getattr(os, name)))
        do()
    return len(names)


def test_the_files_of_a_worker():
    """Each of them is opened by each process, over whatever file system they are on."""
    counted = (
        "import sys; print(sum(bool(getattr(m, '__file__', 0)) for m in [*sys.modules.values()]))"
    )
    told = {
        what: int(subprocess.check_output([sys.executable, "-c", f"import {module}; {counted}"]))
        for what, module in {"worker": "bench.worker", "job": "bench.training.slurm"}.items()
    }
    keep("files_of_a_process", told)


def milliseconds(do):
    return round(1000 * statistics.median(seconds_of(do) for _ in range(9)), 2)


def seconds_of(do):
    began = time.monotonic()
    do()
    return time.monotonic() - began


def conditions():
    """What the figures are of: other work went on beside."""
    return {
        "processor": machine.processor(),
        "cores": machine.cores(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }

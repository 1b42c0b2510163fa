"""Sweeps on clusters of this machine, and what tests of them do."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import psutil

from bench.records import files
from bench.records.claims import read_owner
from bench.records.run_store import RunStore
from bench.system.checkout import ROOT

FIGURES = ROOT / "results" / "published" / "engines.json"
SMALL = {"train": 32, "val": 8, "test": 8, "ood": 8}
SWEEP = """
from bench import Plugin, Run
TASK = Plugin("nbody_gravity", {task})
def runs():
    for seed in range({seeds}):
        for model in {models}:
            yield Run(TASK, Plugin(model), Plugin("plain"), steps={steps}, batch_size=16, seed=seed,
                      validations=6, elements=4, samples=8)
"""


class Cluster:
    """An engine, the variables that find it, how to kill and replace a node, and to move a run."""

    def __init__(self, engine, variables, kill, replace, move):
        self.engine, self.variables = engine, variables
        self.kill, self.replace, self.move = kill, replace, move


class Sweep:
    """A sweep in a folder of its own, trained by an engine."""

    def __init__(self, folder, engine, variables, seeds, models=("drift", "egnn"), steps=60):
        self.folder, self.engine, self.variables = folder, engine, variables
        self.number = seeds * len(models)
        self.file = folder / "sweep.py"
        self.file.write_text(SWEEP.format(task=SMALL, seeds=seeds, models=models, steps=steps))

    def start(self, *arguments):
        """The command as a process of its own."""
        command = [sys.executable, "-m", "bench", "run", str(self.file), "--no-timing"]
        where = ["--results", str(self.folder / "r"), "--engine", self.engine]
        return subprocess.Popen(
            [*command, *where, *arguments],
            cwd=ROOT,
            env=os.environ | self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def finish(self):
        """Run the command to its end; what it said."""
        said = self.start().communicate(timeout=900)[0].decode()
        assert len(self.records()) == self.number, said
        return said

    def records(self):
        """The records of finished runs, by name."""
        folders = (self.folder / "r").glob("*")
        records = [r for f in folders for r in RunStore(f).load()[0] if r.status == "done"]
        return {f"{r.run.model.name}-s{r.run.seed}": r for r in records}

    def wait_for(self, number):
        """Wait for so many finished runs; their records."""
        return wait_until(lambda: (r := self.records()) and len(r) >= number and r)

    def wait_for_claims(self, number):
        """Wait until so many runs are being trained."""
        wait_until(lambda: len([*self.folder.rglob("*.claim*")]) >= number)

    def wait_until_clean(self, limit_s=300.0):
        """Wait until nothing is left."""
        ends = time.monotonic() + limit_s
        while left := self.left():
            assert time.monotonic() < ends, {file: file.read_bytes().strip() for file in left}
            time.sleep(0.1)

    def is_trained(self):
        """Whether the owner of a claim lives; the next command takes those of dead ones."""
        owners = map(read_owner, self.folder.rglob("*.claim*"))
        return any(owner and not owner.is_dead() for owner in owners)

    def left(self):
        """What should not be there in the end."""
        return [*self.folder.rglob("*.claim*"), *self.folder.rglob("*.part")]


def wait_until(is_so, limit_s=300.0):
    """What a function returns once it is true."""
    ends = time.monotonic() + limit_s
    while not (value := is_so()):
        assert time.monotonic() < ends
        time.sleep(0.1)
    return value


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment_of(process):
    try:
        return process.environ()
    except psutil.Error:
        return {}


def keep(name, figures):
    """Write figures beside those that are there."""
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    files.write_whole(FIGURES, files.as_text(known | {name: figures}, sort_keys=True))

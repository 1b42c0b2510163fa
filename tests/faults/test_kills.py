"""Kills at random moments: nothing finished is lost, nothing is left, scores are the same bits.

The sweep is started again and again in one folder, and killed, until it has come to its end and its
page is written; then in a new folder. The long form, `FAULTS=long`, keeps its figures.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest

from bench.records import files
from bench.records.claims import SUFFIX
from bench.records.run_store import RunStore
from bench.system.checkout import ROOT
from bench.training import selection
from bench.training.execute import execute

pytestmark = pytest.mark.system  # processes, each of which imports torch
FIGURES = ROOT / "results" / "published" / "faults.json"
KILLS = {False: 2, True: 100}  # in the short form, in the long one
LONG_S = 1500.0  # after which the long form kills no more, as on a busy machine
SEEDS = {False: 1, True: 2}
LATEST_S = {False: 5.0, True: 9.0}  # after the start
GONE_S = 2.0
ENDS_S = 180.0
SWEEP = """
from bench import Plugin, Run
TASK = Plugin("nbody_gravity", {{"train": 64, "val": 16, "test": 256, "ood": 256}})
def runs():
    for seed in range({seeds}):
        for model in ("egnn", "drift"):
            yield Run(TASK, Plugin(model), Plugin("plain"), steps=60, batch_size=32, seed=seed,
                      validations=6, elements=40, samples=256)
"""
VICTIMS = {
    "parent, KILL": (signal.SIGKILL, None),
    "parent, TERM": (signal.SIGTERM, None),
    "parent, HUP": (signal.SIGHUP, None),
    "parent, INT twice": (signal.SIGINT, None),
    "worker, KILL": (signal.SIGKILL, "bench.worker"),
    "guard, KILL": (signal.SIGKILL, "bench.system.guard"),
}


class Trial:
    """A sweep in a folder of its own, as far as kills have let it come.

    The short form neither times it nor writes its page.
    """

    def __init__(self, folder, long, figures):
        self.folder, self.long, self.figures, self.finished = folder, long, figures, {}
        (folder / "tmp").mkdir(parents=True)
        sweep = folder / "sweep.py"
        sweep.write_text(SWEEP.format(seeds=SEEDS[long]))
        self.sweep = ["run", str(sweep), "--jobs", "2", *([] if long else ["--no-timing"])]

    def start(self, *command):
        """Start a command, its temporary files and its machine its own."""
        command = [sys.executable, "-m", "bench", *command, "--results", str(self.folder / "r")]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(self.folder / "tmp")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=heed_signals,
        )

    def records(self):
        """All records there are, by name; every file is one."""
        records, problems = RunStore(self.folder / "r" / self.machine).load()
        assert problems == []
        return {f"{r.run.model.name}-s{r.run.seed}": r for r in records}

    @property
    def machine(self):
        return next((path.name for path in (self.folder / "r").glob("*")), "none")

    def stage(self):
        """What is left to do."""
        done = [r for r in self.records().values() if r.status == "done"]
        if len(done) < 2 * SEEDS[self.long]:
            return "training and scoring"
        return "timing" if self.long and not all(r.timings for r in done) else "reporting"

    def kill(self, draw):
        """Start what is left and kill a part of it at a random moment."""
        stage, victim = self.stage(), draw.choice([*VICTIMS])
        process = self.start(*(["report"] if stage == "reporting" else self.sweep))
        time.sleep(draw.uniform(0.7, 3.0 if stage == "reporting" else LATEST_S[self.long]))
        number, name = VICTIMS[victim]
        parent, tree = psutil.Process(process.pid), children(process)
        chosen = [child for child in tree if name in command_of(child)] if name else [process]
        if process.poll() is None and chosen:
            self.figures["kills"][f"{stage}: {victim}"] += 1
            began = time.monotonic()
            for _ in range(2 if number == signal.SIGINT else 1):
                os.kill(draw.choice(chosen).pid, number)
                time.sleep(0.005)
            if not name:
                self.wait_until_gone([parent, *tree], began)
        said = process.communicate(timeout=ENDS_S)[0].decode()
        assert "Traceback" not in said
        self.check()

    def wait_until_gone(self, tree, began):
        """Note how long the processes live on."""
        while any(map(lives, tree)):
            assert time.monotonic() - began < GONE_S, [command_of(child) for child in tree]
            time.sleep(0.005)
        took = round(time.monotonic() - began, 3)
        self.figures["longest_until_gone_s"] = max(took, self.figures["longest_until_gone_s"])

    def check(self):
        """What had finished is there, as it was."""
        records = self.records()
        for name, scores in self.finished.items():
            assert records[name].scores == scores
        self.figures["records_compared"] += len(self.finished)
        self.finished |= {n: r.scores for n, r in records.items() if r.status == "done"}

    def end(self, wanted):
        """Run to the end: the scores are those of runs that nobody killed, and nothing is left."""
        for command in [self.sweep, *([["report"]] if self.long else [])]:
            process = self.start(*command)
            said = process.communicate(timeout=ENDS_S)[0].decode()
            assert process.returncode == 0, said
        self.check()
        assert self.finished == {name: wanted[name] for name in self.finished}
        assert self.stage() == "reporting"
        left = [*self.folder.glob("tmp/*"), *self.folder.rglob("*.part")]
        assert [*left, *self.folder.rglob(f"*{SUFFIX}*")] == []
        self.figures["sweeps"] += 1


def heed_signals():
    """As in a terminal, even where the tests run in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def children(process):
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def command_of(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def lives(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def wanted(tmp_path_factory, long):
    """The scores of the runs, in a process that nobody kills."""
    file = tmp_path_factory.mktemp("wanted") / "sweep.py"
    file.write_text(SWEEP.format(seeds=SEEDS[long]))
    runs = selection.load_sweep(str(file))
    return {
        f"{run.model.name}-s{run.seed}": execute(run, "cpu", lambda _: None).record.scores
        for run in runs
    }


def test_kills_lose_nothing_and_leave_nothing(tmp_path, wanted, long):
    draw, began = random.Random(0), time.monotonic()
    figures = {"kills": Counter(), "sweeps": 0, "records_compared": 0, "longest_until_gone_s": 0.0}

    def is_enough():
        return figures["kills"].total() >= KILLS[long] or time.monotonic() - began > LONG_S

    while not is_enough():
        trial = Trial(tmp_path / str(figures["sweeps"]), long, figures)
        reported = 0
        while not is_enough() and reported < 2:
            reported += trial.stage() == "reporting"
            trial.kill(draw)
        trial.end(wanted)
    if long:
        keep(figures, began)


def keep(figures, began):
    """Write the figures beside those of the other harnesses."""
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    kills = dict(sorted(figures["kills"].items()))
    total = {"total": sum(kills.values()), "seconds": round(time.monotonic() - began)}
    known["kills"] = figures | total | {"kills": kills}
    files.write_whole(FIGURES, files.as_text(known, sort_keys=True))

"""A training that is killed again and again ends with the scores of one that nobody killed.

The short form kills one run once; the long one, `FAULTS=long`, kills each ten times, and keeps its
figures.
"""

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from bench.core.config import Plugin, Run, to_plain
from bench.records import files
from bench.records.run_store import CHECKPOINT, RunStore
from bench.records.tensors import read_tree
from bench.system import environment
from bench.system.checkout import ROOT
from bench.training.execute import execute
from bench.training.multi_seed import execute_seeds

pytestmark = pytest.mark.system  # processes, each of which imports torch
FIGURES = ROOT / "results" / "published" / "faults.json"
KILLS = {False: 1, True: 10}
EVERY = 20  # steps, about, from one kill to the next
RUN = Run(
    Plugin("nbody_gravity", {"train": 32, "val": 8, "test": 16, "ood": 16}),
    Plugin("transformer", {"channels": 8, "layers": 1, "heads": 2}),
    Plugin("dual"),
    batch_size=8,
    validations=20,
    elements=2,
    samples=8,
)
TRAIN = """
import json, sys
from bench import worker
from bench.system.protocol import Train, TrainSeeds
from bench.timing import closures
closures.compare_steps = lambda *_: (2.0, 1.0)  # at once is faster, as on a machine at rest
runs, root = json.loads(sys.argv[1]), sys.argv[2]
if len(runs) > 1:
    worker.train_seeds(TrainSeeds(runs, root, "cpu"), print)
else:
    worker.train(Train(runs[0], root, "cpu"), print)
"""


def start(runs, root):
    """Start a process that trains runs, a checkpoint after each step."""
    words = [sys.executable, "-c", TRAIN, json.dumps([to_plain(run) for run in runs]), str(root)]
    return subprocess.Popen(
        words,
        cwd=ROOT,
        env=os.environ | {environment.CHECKPOINT_S: "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def step_in(file):
    """The step of a checkpoint; every one that is there is whole."""
    return read_tree(file)["step"] if file.exists() else 0


def wait_for(step, file, process):
    while step_in(file) < step:
        assert process.poll() is None, process.communicate()[0].decode()
        time.sleep(0.005)


@pytest.mark.parametrize("seeds", [1, 2], ids=["alone", "at once"])
def test_a_killed_training_ends_with_the_same_scores(seeds, tmp_path, long):
    if seeds > 1 and not long:
        pytest.skip("FAULTS=long kills these too")
    steps, draw = EVERY * (KILLS[long] + 2), random.Random(0)
    runs = [replace(RUN, steps=steps, seed=seed) for seed in range(seeds)]
    store = RunStore(tmp_path)
    file = store.path(runs[0]).with_suffix(CHECKPOINT)
    seen = []
    for _ in range(KILLS[long]):
        process = start(runs, tmp_path)
        wait_for(step_in(file) + draw.randint(1, EVERY), file, process)
        process.kill()
        process.communicate()
        seen.append(step_in(file))
    said = start(runs, tmp_path).communicate()[0].decode()
    assert f"goes on from step {seen[-1]}" in said
    assert seen == sorted(set(seen))
    if seeds == 1:
        wanted = [execute(runs[0], "cpu", lambda _: None)]
    else:
        wanted = [*execute_seeds(runs, "cpu", lambda _: None)]
    records = [store.find(run) for run in runs]
    assert [record.scores for record in records] == [trained.record.scores for trained in wanted]
    curves = [store.curve_path(run).read_text() for run in runs]
    assert curves == [trained.curve for trained in wanted]
    files.remove_parts(store.path(runs[0]))  # as who claims a run does
    assert not [*tmp_path.rglob(f"*{CHECKPOINT}*")]
    if long:
        keep(f"{seeds} seeds at once" if seeds > 1 else "one run", seen, steps)


def keep(what, seen, steps):
    """Write the figures beside those of the other harnesses."""
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    figures = {"killed_at_step": seen, "kills": len(seen), "steps": steps, "scores": "same bits"}
    known["checkpoints"] = known.get("checkpoints", {}) | {what: figures}
    files.write_whole(FIGURES, files.as_text(known, sort_keys=True))

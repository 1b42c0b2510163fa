"""Two, four and forty commands at once on one folder: as many trainings as runs, nothing torn.

The usual suite has two; the long form, `FAULTS=long`, starts all of these, and keeps its figures.
"""

import json
import os
import time
from contextlib import suppress

import psutil
import pytest
from clusters import Sweep

from bench.records import files
from bench.records.run_store import RunStore
from bench.system.checkout import ROOT
from bench.training import selection
from bench.training.execute import execute

pytestmark = pytest.mark.system  # processes, each of which imports torch
FIGURES = ROOT / "results" / "published" / "faults.json"
RUNS = 24
LIMIT_S = 1200.0
MODEL = '''"""A model that notes in a file that it is built."""
from pathlib import Path
import torch
def build(signature):
    with Path(__file__).with_name("built").open("a") as log:
        log.write("built\\n")
    return Scaled()
class Scaled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
    def forward(self, inputs):
        return {"position": inputs["position"] * self.scale + inputs["velocity"]}
'''


@pytest.fixture
def sweep(tmp_path, long):
    if not long:
        pytest.skip("FAULTS=long starts up to forty commands")
    model = tmp_path / "model.py"
    model.write_text(MODEL)
    return Sweep(tmp_path, "local", {}, RUNS, models=(str(model),))


@pytest.mark.parametrize("number", [2, 4, 40])
def test_commands_that_share_a_folder_train_each_run_once(number, sweep):
    built = sweep.folder / "built"
    runs = selection.load_sweep(str(sweep.file))
    wanted = [execute(run, "cpu", lambda _: None).record.scores for run in runs]
    builds = built.read_text()
    built.unlink()

    began, peak_mb, torn = time.monotonic(), 0, set()
    processes = [sweep.start("--jobs", "1") for _ in range(number)]
    while any(process.poll() is None for process in processes):
        assert time.monotonic() - began < LIMIT_S
        peak_mb = max(peak_mb, memory_mb(processes))
        torn |= {*damaged(sweep)}
        time.sleep(0.2)
    took_s = time.monotonic() - began
    said = [process.communicate()[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * number, said

    ended = [line for text in said for line in text.splitlines() if line.startswith("[")]
    trained = [line for line in ended if "(by another process)" not in line]
    assert len(ended) == number * RUNS
    assert (len(trained), built.read_text()) == (RUNS, builds)
    scores = {record.run.seed: record.scores for record in sweep.records().values()}
    assert [scores[run.seed] for run in runs] == wanted
    assert torn | {*damaged(sweep), *sweep.left()} == set()
    (table,) = sweep.folder.glob("r/*/tables/*.md")
    assert f"| {RUNS} |" in table.read_text()
    keep(number, {"trainings": len(trained), "seconds": round(took_s), "peak_mb": peak_mb})


def damaged(sweep):
    """Files that should be records and are none."""
    return [line for folder in sweep.folder.glob("r/*") for line in RunStore(folder).load()[1]]


def memory_mb(processes):
    """What processes and all that they have started hold alone."""
    held = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(process.pid)
            for one in [parent, *parent.children(recursive=True)]:
                memory = one.memory_info()
                held += memory.rss - memory.shared
    return round(held / 1e6)


def keep(number, figures):
    """Write the figures beside those of the other harnesses."""
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    figures |= {"runs": RUNS, "torn": 0, "trained_twice": 0, "load": round(os.getloadavg()[0], 1)}
    known["commands"] = known.get("commands", {}) | {str(number): figures}
    files.write_whole(FIGURES, files.as_text(known, sort_keys=True))

"""Plug-ins that misbehave while they run: a row of their own, all other rows as if alone."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bench.records.run_store import RunStore
from bench.system.checkout import ROOT
from bench.training.execute import execute

pytestmark = pytest.mark.system  # a process for each of them
MODEL = """
import os, random, sys, time
from pathlib import Path
import numpy as np
import torch
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(1))
    def forward(self, inputs):
        return {"position": self.w * inputs["position"]}
"""
SLEEP_S = "987654"  # by which what a plug-in has started is known
LINES = {
    "raising": 'raise ValueError("what is\\nwrong")',
    "exiting": "sys.exit(7)",
    "interrupting": "raise KeyboardInterrupt",
    "killing": "os.kill(os.getpid(), 9)",
    "stopping": "breakpoint()",
    "reading": "input()",
    "closing": "os.closerange(0, 1000); time.sleep(60)",  # awake it would end of the next write
    "looping": "while True: pass",
    "allocating": "model.kept = [torch.empty(2**28) for _ in range(2**20)]",
    "printing": 'print(\'{"says": "done"}\')',
    "forking": "os.fork()",
    "starting": f"os.spawnlp(os.P_NOWAIT, 'setsid', 'setsid', 'sleep', '{SLEEP_S}')",
    "widening": "torch.set_default_dtype(torch.float64)",
    "patching": "torch.randperm = torch.randn = torch.arange = None",
    "seeding": "torch.manual_seed(1); np.random.seed(1); random.seed(1)",
    "drawing": "model.w.data += np.random.rand() + random.random()",
}
REASONS = {
    "raising": "ValueError: what is (raising.py, line 14)",
    "exiting": "SystemExit: 7 (exiting.py, line 14)",
    "interrupting": "KeyboardInterrupt (interrupting.py, line 14)",
    "killing": "the worker ended with code -9",
    "stopping": "BdbQuit",
    "reading": "EOFError: EOF when reading a line (reading.py, line 14)",
    "closing": "the worker closed its pipe to the parent",
    "looping": "no end within 60 s",
    "allocating": "can't allocate memory",
    "patching": "'NoneType' object is not callable",
}
SWEEP = """
from bench import Plugin, Run
TASK = Plugin("nbody_gravity", {{"train": 16, "val": 8, "test": 8, "ood": 8}})
def runs():
    for model in {models}:
        yield Run(TASK, Plugin(model), Plugin("plain"), steps=4, batch_size=8, validations=2,
                  elements=2, samples=4)
"""
GOOD = ("egnn", "drift")
LONG = os.environ.get("FAULTS") == "long"
SHORT = ("exiting", "reading", "closing", "forking", "patching", "drawing")
BAD = [*LINES] if LONG else [*SHORT]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """The records of good models between bad ones, by model, exit code, stderr, temporary files."""
    folder = tmp_path_factory.mktemp("mixed")
    for name in BAD:
        code = f"{MODEL}def build(signature):\n    model = Model()\n    {LINES[name]}\n"
        (folder / f"{name}.py").write_text(f"{code}    return model\n")
    bad = [str(folder / f"{name}.py") for name in BAD]
    file = folder / "sweep.py"
    file.write_text(SWEEP.format(models=[*bad[:2], GOOD[0], *bad[2:], GOOD[1]]))
    command = [sys.executable, "-m", "bench", "run", str(file), "--no-timing", "--timeout", "60s"]
    command += ["--jobs", "2", "--results", str(folder / "r")]
    temporary = folder / "tmp"
    temporary.mkdir()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    (root,) = (folder / "r").iterdir()
    records = {Path(r.run.model.name).stem: r for r in RunStore(root).load()[0]}
    return records, done.returncode, done.stderr, temporary


@pytest.mark.parametrize("name", [*GOOD, "drawing"])
def test_a_row_is_as_if_alone(name, mixed):
    record = mixed[0][name]
    assert record.scores == execute(record.run, "cpu", lambda _: None).record.scores != {}


@pytest.mark.parametrize("name", [name for name in REASONS if name in BAD])
def test_a_bad_row_says_what_was_wrong(name, mixed):
    assert REASONS[name] in mixed[0][name].reason
    status = {"looping": "timeout", "allocating": "oom"}.get(name, "failed")
    assert mixed[0][name].status == status


@pytest.mark.parametrize("name", sorted({*BAD} - REASONS.keys() - {"widening"}))
def test_a_harmless_row_is_done(name, mixed):
    assert mixed[0][name].status == "done"


def test_a_sweep_with_failures_ends_with_its_code_and_no_traceback(mixed):
    assert mixed[1] == 4
    assert "Traceback" not in mixed[2]


def test_nothing_is_left(mixed):
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert [command for command in commands if SLEEP_S in command] == []
    assert list(mixed[3].iterdir()) == []

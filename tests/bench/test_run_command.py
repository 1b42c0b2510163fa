"""The harness end to end, on runs of a few steps: resume, failures, kills, timings, tables."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from errno import EACCES
from pathlib import Path

import pytest
from msgspec import structs

from bench.cli import main
from bench.core.config import SYMMETRISE, Plugin, Run, run_from_plain
from bench.core.outcomes import UNWRITABLE
from bench.records import files
from bench.records.run_record import Penalty, blank_record
from bench.records.run_store import RunStore
from bench.records.timings import Timing
from bench.reporting import aggregate
from bench.reporting.aggregate import frame, summary
from bench.reporting.figures.loss_surface import read_surfaces, surface
from bench.reporting.figures.penalty_traces import penalty_traces, read_traces
from bench.system import machine, pool
from bench.system.checkout import ROOT
from bench.system.protocol import Died, Failed
from bench.training import selection
from bench.training.execute import execute

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("warm_workers")]
TASK = Plugin("nbody_gravity", {"train": 16, "val": 8, "test": 8, "ood": 8})
SMALL = {"steps": 4, "batch_size": 8, "validations": 2, "elements": 2, "samples": 4}
SWEEP = '''"""A sweep for tests."""
from bench import Plugin, Run
TASK = Plugin("nbody_gravity", {task})
def runs():
    for seed in range({seeds}):
        for model in {models}:
            yield Run(TASK, Plugin(model), Plugin("plain"), seed=seed, **{small})
'''
EACH = """
def each(*parts, **options):
    return [Run(*parts, symmetrise=how, **options) for how in {ways}]
"""
BROKEN = '''"""A model that fails."""
def build(signature):
    raise RuntimeError("this model is broken")
'''
RANDOM = '''"""A model that draws random numbers in its forward pass."""
import torch
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(1))
    def forward(self, inputs):
        x = inputs["position"] * self.w
        return {"position": torch.nn.functional.dropout(x, 0.5, self.training), "more": x}
def build(signature):
    return Model()
'''
LOPSIDED = '''"""A task with a split whose targets are too narrow."""
from dataclasses import replace
from bench.tasks import nbody_gravity
from remul import Batch
def load(seed):
    task = nbody_gravity.load(seed, train=16, val=8, test=8, ood=8)
    narrow = {"position": task.test.targets["position"][..., :2]}
    return replace(task, more={"far": Batch(task.test.inputs, narrow)})
'''
ENDING = '"""Ends its process."""\nimport os\ndef build(signature): os._exit(9)\n'
DIVERGING = '''"""A model whose output is not a number."""
import torch
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(1))
    def forward(self, inputs):
        return {"position": inputs["position"] * self.w * float("nan")}
def build(signature):
    return Model()
'''


def sweep_file(folder, models=("drift",), seeds=2, **changes):
    file = folder / "sweep.py"
    small = SMALL | changes
    text = SWEEP.format(task=dict(TASK.kwargs), seeds=seeds, models=list(models), small=small)
    file.write_text(text)
    return str(file)


def run(folder, *arguments, timing=False, **options):
    """Runs the sweep; where nothing is timed by one worker, as each takes seconds to start."""
    where = ["--results", str(folder / "r"), *([] if timing else ["--no-timing", "--jobs", "1"])]
    return main(["run", sweep_file(folder, **options), *where, *arguments])


def found(folder):
    (root,) = (folder / "r").iterdir()
    return {file.name: json.loads(file.read_text()) for file in RunStore(root).files()}


def scores(folder):
    return {name: record["scores"] for name, record in found(folder).items()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, warm_workers):
    """A finished sweep of two models and two seeds: its folder."""
    folder = tmp_path_factory.mktemp("finished")
    assert run(folder, models=("drift", "egnn"), timing=True) == 0
    return folder


def test_a_sweep_writes_a_record_per_run(finished):
    assert len(found(finished)) == 4


def test_a_record_has_the_fields_of_the_contract(finished):
    contract = ["schema", "run", "status", "reason", "scores", "timings", "counters", "machine"]
    assert all(set(contract) <= record.keys() for record in found(finished).values())


def test_a_record_has_a_curve_beside_it(finished):
    (root,) = (finished / "r").iterdir()
    files = RunStore(root).files()
    curves = [file.with_suffix(".curve.csv").read_text().splitlines() for file in files]
    assert [len(lines) for lines in curves] == 4 * [1 + SMALL["steps"]]


def test_what_is_to_be_kept_lies_beside_a_record(tmp_path):
    keep = ["--keep", "weights", "predictions", "--checkpoint", "0s"]
    assert run(tmp_path, *keep, models=("egnn",), seeds=1) == 0
    (record,) = (tmp_path / "r").glob("*/runs/*/*[0-9].json")
    ends = {file.name.removeprefix(record.stem) for file in record.parent.glob("*.*")}
    assert ends == {".json", ".curve.csv", ".weights.safetensors", ".predictions.npz"}


@pytest.mark.parametrize("score", ["mse", "expected_error", "mean_error", "equivariance_error"])
@pytest.mark.parametrize("split", ["test", "ood"])
def test_every_split_has_every_score(finished, score, split):
    assert all(values[f"{score}_{split}"] >= 0 for values in scores(finished).values())


@pytest.mark.parametrize("kind", ["train_step", "inference"])
def test_a_timing_keeps_its_raw_samples(finished, kind):
    for record in found(finished).values():
        timing = record["timings"][kind]
        assert len(timing["samples_ms"]) == timing["rounds"]
        assert timing["best_ms"] <= timing["median_ms"]


def test_a_sweep_is_timed_in_one_session(finished):
    assert len({r["timings"]["inference"]["session"] for r in found(finished).values()}) == 1


def test_counters_are_exact(finished):
    (drift,) = {
        json.dumps(r["counters"])
        for r in found(finished).values()
        if r["run"]["model"]["name"] == "drift"
    }
    assert json.loads(drift)["parameters"] == 1


def test_a_second_run_trains_nothing(finished, capsys):
    before = found(finished)
    assert run(finished, models=("drift", "egnn"), timing=True) == 0
    assert "4 runs, 4 finished before" in capsys.readouterr().out
    assert found(finished) == before


def test_a_run_that_has_finished_writes_nothing(finished, monkeypatch):
    def refuse(root):
        raise PermissionError(EACCES, "Permission denied", str(root))

    monkeypatch.setattr(files, "check_writable", refuse)
    assert run(finished, models=("drift", "egnn"), timing=True) == 0
    assert run(finished, "--force", models=("drift", "egnn"), timing=True) == 2


def test_force_runs_again_to_the_same_scores(finished):
    before = scores(finished)
    assert run(finished, "--force", models=("drift", "egnn"), timing=True) == 0
    assert scores(finished) == before


def test_a_worker_that_dies_when_forced_is_told(tmp_path, monkeypatch, capsys):
    root = tmp_path / "r" / machine.folder("cpu")
    (only,) = selection.load_sweep(sweep_file(tmp_path, seeds=1))
    timing = Timing(median_ms=1.0, samples_ms=[1.0], quality="A", session="s")
    parts = {"timings": {"inference": timing}, "seconds": 1.0, "scores": {"mse_test": 1.0}}
    RunStore(root).write(structs.replace(blank_record(only), **parts))

    monkeypatch.setattr(pool.Pool, "answer", lambda *_: Died("killed"))
    assert run(tmp_path, "--force", seeds=1) == 4
    assert "failed: killed; its finished record stays" in capsys.readouterr().err


def test_a_record_that_cannot_be_kept_ends_the_sweep_in_one_line(tmp_path, monkeypatch, capsys):
    full = Failed(UNWRITABLE, "x.json: No space left on device")
    monkeypatch.setattr(pool.Pool, "answer", lambda *_: full)
    assert run(tmp_path) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert line.endswith("cannot be kept: x.json: No space left on device")


def test_processes_that_share_a_sweep_train_each_run_once(finished, tmp_path):
    together = [started(tmp_path, "--no-timing", models=("drift", "egnn")) for _ in range(2)]
    said = [process.communicate(timeout=120)[1].decode() for process in together]
    assert [process.returncode for process in together] == [0, 0]
    ended = [line for text in said for line in text.splitlines() if line.startswith("[")]
    assert len(ended) == 8
    assert sum("(by another process)" in line for line in ended) == 4
    assert scores(tmp_path) == scores(finished)
    assert not list(tmp_path.rglob("*.claim*"))


@pytest.fixture
def no_estimate(monkeypatch):
    """Workers die, so that a dry run takes no time and has no estimate."""

    def ask(*_):
        raise RuntimeError("the worker ended with code 9")

    monkeypatch.setattr(pool, "ask", ask)


def test_an_estimate_survives_a_worker_that_dies(no_estimate, tmp_path, capsys):
    assert run(tmp_path, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert "no estimate: the worker ended with code 9" in shown
    assert "2 of 2 runs to do, for an unknown time with" in shown


def test_a_total_says_what_it_does_not_know(monkeypatch, tmp_path, capsys):
    """Cells of which one has an estimate: 0.5 s a step, 4 steps, 2 seeds."""
    monkeypatch.setattr(pool, "ask", lambda *_: [0.5, None])
    assert run(tmp_path, "--dry-run", "--jobs", "1", models=("drift", "egnn")) == 0
    total = capsys.readouterr().out.splitlines()[-1]
    assert "about 4 s of training of 2 and an unknown time of 2 with 1 job on" in total


BESIDE = {"surface": RunStore.surface_path, "penalty_traces": RunStore.curve_path}


@pytest.mark.parametrize("damage", [None, "", "[1", "x,y"])
@pytest.mark.parametrize("figure", BESIDE)
def test_a_damaged_file_beside_a_record_is_named_and_left_out(figure, damage, tmp_path, capsys):
    both = replace(RUN, surface=int(figure == "surface"))
    scores = dict.fromkeys(("mse_test", "expected_error_test"), 1.0)
    penalty = Penalty(alpha=1.0, beta=1.0)
    record = structs.replace(blank_record(both), penalty=penalty, scores=scores)
    store = RunStore(tmp_path)
    file = BESIDE[figure](store, both)
    store.write(record)
    if damage is not None:
        file.write_text(damage)
    label = both.task.label
    drawn = (
        surface(read_surfaces(tmp_path, [record]), label)
        if figure == "surface"
        else penalty_traces(read_traces(tmp_path, summary(frame([record])), [record]), label)
    )
    assert drawn is None
    assert f"skipped: {file}" in capsys.readouterr().err


def test_scores_do_not_depend_on_the_jobs(finished, tmp_path):
    assert run(tmp_path, "--jobs", "1", models=("drift", "egnn")) == 0
    assert scores(tmp_path) == scores(finished)


def test_a_torn_record_is_named_set_aside_and_run_again(tmp_path, capsys):
    assert run(tmp_path) == 0
    before = scores(tmp_path)
    (root,) = (tmp_path / "r").iterdir()
    torn = RunStore(root).files()[0]
    torn.write_text(torn.read_text()[:100])
    assert run(tmp_path) == 0
    assert f"{torn}: not a record" in capsys.readouterr().out
    assert torn.with_name(f"{torn.name}.torn").exists()
    assert scores(tmp_path) == before


def test_table_survives_a_torn_record(finished, tmp_path, capsys):
    copy = tmp_path / "r" / "machine" / "runs" / "nbody_gravity"
    copy.mkdir(parents=True)
    (root,) = (finished / "r").iterdir()
    for file in RunStore(root).files():
        (copy / file.name).write_text(file.read_text())
    (copy / "torn.json").write_text('{"schema"')
    assert main(["table", "--results", str(tmp_path / "r")]) == 0
    shown = capsys.readouterr()
    assert "egnn" in shown.out
    assert "torn.json: not a record" in shown.err


@pytest.fixture(scope="module")
def troubled(tmp_path_factory, warm_workers):
    """The records of a sweep of three bad models and a good one, by model, and what it printed."""
    folder = tmp_path_factory.mktemp("troubled")
    models = {"broken": BROKEN, "diverging": DIVERGING, "ending": ENDING}
    for name, text in models.items():
        (folder / f"{name}.py").write_text(text)
    paths = [str(folder / f"{name}.py") for name in models]
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())) as shown:
        assert run(folder, models=(*paths, "drift"), seeds=1) == 4
    shown.seek(0)
    by_model = {Path(r["run"]["model"]["name"]).stem: r for r in found(folder).values()}
    return by_model, shown.read()


@pytest.mark.parametrize(
    ("model", "status"),
    [("broken", "failed"), ("diverging", "diverged"), ("ending", "failed"), ("drift", "done")],
)
def test_a_bad_model_is_a_row_and_the_rest_goes_on(troubled, model, status):
    assert troubled[0][model]["status"] == status


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("broken", "RuntimeError: this model is broken"),
        ("diverging", "validation error nan"),
        ("ending", "the worker ended with code 9"),
    ],
)
def test_a_bad_model_has_its_reason(troubled, model, reason):
    assert reason in troubled[0][model]["reason"]


def test_the_table_names_what_did_not_finish(troubled):
    line = "not finished: broken plain, seed 0: failed: RuntimeError: this model is broken"
    assert line in troubled[1]


def test_random_numbers_of_the_forward_pass_are_those_of_the_run(tmp_path):
    model = tmp_path / "random_model.py"
    model.write_text(RANDOM)
    assert run(tmp_path, "--jobs", "1", models=(str(model),), seeds=2) == 0
    both = scores(tmp_path)
    assert run(tmp_path, "--force", "--only", "seed=1", models=(str(model),), seeds=2) == 0
    assert scores(tmp_path) == both


def started(folder, *arguments, **options):
    """The sweep as a process of its own, which heeds interrupts even where the tests do not."""
    command = [sys.executable, "-m", "bench", "run", sweep_file(folder, **options)]
    return subprocess.Popen(
        [*command, "--results", str(folder / "r"), "--jobs", "1", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait_for_a_record(folder):
    limit = time.monotonic() + 60
    while not list(folder.glob("r/*/runs/*/*.json")):
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_killed_sweep_loses_only_the_unfinished(finished, tmp_path, sent, code):
    process = started(tmp_path, models=("drift", "egnn"))
    wait_for_a_record(tmp_path)
    os.kill(process.pid, sent)
    process.communicate(timeout=30)
    assert process.returncode == code
    kept = found(tmp_path)
    assert 1 <= len(kept) < 4
    assert run(tmp_path, models=("drift", "egnn")) == 0
    assert all(found(tmp_path)[name]["seconds"] == kept[name]["seconds"] for name in kept)
    assert scores(tmp_path) == scores(finished)


def test_rebuilding_changes_no_byte(finished):
    def rebuilt():
        for command in ("table", "plot"):
            assert main([command, "--results", str(finished / "r")]) == 0
        files = [*finished.glob("r/*/tables/*"), *finished.glob("r/*/figures/*")]
        return {file: file.read_bytes() for file in files}

    first = rebuilt()
    assert {file.suffix for file in first} == {".md", ".csv", ".tex", ".png"}
    figures = [file for file in first if file.suffix == ".png"]
    assert {file.stem.rpartition("-")[2] for file in figures} == {"pareto", "time"}
    assert len(first) == 3 + len(figures)
    assert rebuilt() == first


def test_a_dry_run_lists_cells_and_writes_nothing(tmp_path, capsys):
    assert run(tmp_path, "--dry-run", models=("drift",)) == 0
    shown = capsys.readouterr().out
    assert "drift plain, 4 steps: 2 seeds, 2 to do" in shown
    assert not list(tmp_path.glob("r/*/runs"))


def test_a_spent_budget_starts_nothing(tmp_path, capsys):
    assert run(tmp_path, "--budget", "0s") == 0
    assert "not started" in capsys.readouterr().out


RUN = Run(TASK, Plugin("drift"), Plugin("remul", {"beta": 2.0}), **SMALL)


def test_paths_in_a_sweep_are_taken_from_its_folder(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("VERSION = 1\n")
    (tmp_path / "elsewhere").mkdir()
    file = sweep_file(tmp_path, models=("mine.py", "drift"), seeds=1)
    monkeypatch.chdir(tmp_path / "elsewhere")
    mine, drift = selection.load_sweep(file)
    assert (mine.model.name, drift.model.name) == (str(tmp_path / "mine.py"), "drift")
    assert mine.task.name == "nbody_gravity"


def test_a_selection_needs_no_sweep_file(no_estimate, tmp_path, capsys):
    pairs = ["--models", "drift", "egnn", "--methods", "plain", "remul:10"]
    values = ["--set", "lr=1e-3", "--seeds", "2", "--results", str(tmp_path), "--dry-run"]
    assert main(["run", "--task", "nbody_gravity:train=16", *pairs, *values]) == 0
    shown = capsys.readouterr().out
    assert "egnn remul(beta=10), 2000 steps: 2 seeds, 2 to do" in shown
    assert "8 of 8 runs to do" in shown


@pytest.fixture(scope="module")
def wrapped(tmp_path_factory, warm_workers):
    """The finished runs of a Transformer, as it is and after it was symmetrised, by how."""
    folder = tmp_path_factory.mktemp("wrapped")
    file = Path(sweep_file(folder, models=("transformer",), seeds=1))
    text = file.read_text().replace("yield Run(", "yield from each(")
    file.write_text(text + EACH.format(ways=SYMMETRISE[:4]))
    assert main(["run", str(file), "--results", str(folder / "r")]) == 0
    return {record["run"]["symmetrise"]: record for record in found(folder).values()}


@pytest.mark.parametrize("how", SYMMETRISE[1:4])
def test_symmetrised_runs_share_their_training(wrapped, how):
    assert wrapped[how]["scores"]["mse_val"] == wrapped["none"]["scores"]["mse_val"]


@pytest.mark.parametrize("how", SYMMETRISE[1:3])
def test_frames_make_any_run_equivariant(wrapped, how):
    assert wrapped[how]["scores"]["equivariance_error_test"] < 1e-5


def test_without_frames_the_same_run_is_not(wrapped):
    assert wrapped["none"]["scores"]["equivariance_error_test"] > 1e-3


@pytest.mark.parametrize(
    ("how", "forwards"), [("canonicalise", 1), ("group_average(tetrahedral)", 12)]
)
def test_inference_is_that_of_the_wrapped_model(wrapped, how, forwards):
    flops = wrapped[how]["counters"]["flops"] / wrapped["none"]["counters"]["flops"]
    assert flops == pytest.approx(forwards, rel=0.01)


def test_profiles_are_of_the_trained_network_alone(wrapped):
    assert {how for how, record in wrapped.items() if record["profiles"]} == {"none"}


def test_tables_say_what_was_symmetrised(wrapped):
    methods = {aggregate.method_of(run_from_plain(record["run"])) for record in wrapped.values()}
    assert {"plain", "plain + frame_average"} <= methods


def test_a_split_that_does_not_fit_is_named_before_training(tmp_path):
    file = tmp_path / "lopsided.py"
    file.write_text(LOPSIDED)
    record, curve, *_ = execute(replace(RUN, task=Plugin(str(file))), "cpu", pytest.fail)
    assert "split 'far': field 'position' has 2 components" in record.reason
    assert len(curve.splitlines()) < 2


def test_a_surface_lands_beside_its_record_and_in_a_figure(tmp_path):
    assert run(tmp_path, models=("egnn",), seeds=1, surface=3) == 0
    assert len(found(tmp_path)) == 1
    (file,) = tmp_path.glob("r/*/runs/*/*.surface.json")
    surface = json.loads(file.read_text())
    assert surface["line"] == pytest.approx([row[1] for row in surface["plane"]])
    assert main(["plot", "--results", str(tmp_path / "r")]) == 0
    assert list(tmp_path.glob("r/*/figures/*-surface.png"))

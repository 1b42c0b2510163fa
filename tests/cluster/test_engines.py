"""Sweeps on a real Dask and a real Slurm: whatever is killed, nothing finished is lost.

The same command ends the sweep with the scores of a local run, to the bit.

The long form, `CLUSTER=long`, runs 24 runs on each, and keeps what an engine costs.
"""

import os
import re
import signal

import pytest
from clusters import Sweep, keep, wait_until

from bench.records.run_store import CHECKPOINT
from bench.records.tensors import read_tree
from bench.training import selection
from bench.training.execute import execute

pytestmark = pytest.mark.system  # processes, each of which imports torch
SEEDS = {False: 1, True: 12}
GONE_S = 60.0  # on a busy machine


@pytest.fixture(scope="session")
def wanted(tmp_path_factory, long):
    """The scores of the runs, one after the other in this process."""
    sweep = Sweep(tmp_path_factory.mktemp("wanted"), "local", {}, SEEDS[long])
    runs = selection.load_sweep(str(sweep.file))
    return {
        f"{run.model.name}-s{run.seed}": execute(run, "cpu", lambda _: None).record.scores
        for run in runs
    }


@pytest.fixture(params=["dask", "slurm"])
def cluster(request):
    return request.getfixturevalue(request.param)


def test_a_sweep_survives_all_kills(cluster, tmp_path, wanted, long):
    sweep = Sweep(tmp_path, cluster.engine, cluster.variables, SEEDS[long])
    process, kept = sweep.start(), {}
    for number, whole in [(3, False), (8, True)] if long else []:
        kept |= sweep.wait_for(number)
        sweep.wait_for_claims(1)
        cluster.kill(whole=whole)
        cluster.replace()
    kept |= sweep.wait_for(12 if long else 1)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    if cluster.engine.startswith("dask"):  # Slurm's jobs live on
        wait_until(lambda: not sweep.is_trained(), GONE_S)
    said = sweep.finish()
    records = sweep.records()
    assert {name: record.scores for name, record in records.items()} == wanted, said
    assert {name: records[name].seconds for name in kept} == {n: r.seconds for n, r in kept.items()}
    sweep.wait_until_clean()
    if long:
        kinds = ["node daemon or worker alone", "node or worker with all it runs", "the command"]
        keep(
            f"sweep_{name_of(cluster)}",
            {
                "runs": len(wanted),
                "kills": kinds,
                "finished_before_a_kill": len(kept),
                "equal_scores": len(wanted),
            },
        )


def test_a_run_that_loses_its_node_goes_on_from_its_checkpoint(cluster, tmp_path, long):
    if not long:
        pytest.skip("CLUSTER=long moves runs too")
    sweep = Sweep(tmp_path, cluster.engine, cluster.variables, 1, models=("egnn",), steps=800)
    (run,) = selection.load_sweep(str(sweep.file))
    process, seen = sweep.start("--checkpoint", "0s"), []
    for least in (100, 300, 500):
        seen.append(wait_until(lambda least=least: step_in(tmp_path) > least and step_in(tmp_path)))
        cluster.move()
    said = process.communicate()[0].decode()
    assert process.returncode == 0, said
    (step,) = re.findall(r"goes on from step (\d+)", said)
    assert int(step) >= seen[-1]
    (record,) = sweep.records().values()
    assert record.scores == execute(run, "cpu", lambda _: None).record.scores
    assert [*sweep.left(), *tmp_path.rglob(f"*{CHECKPOINT}")] == []
    figures = {"moved_at_step": seen, "steps": run.steps, "scores": "same bits"}
    keep(f"moved_{name_of(cluster)}", figures)


def step_in(folder):
    """The step of the only checkpoint in a folder, 0 if there is none."""
    file = next(folder.rglob(f"*{CHECKPOINT}"), None)
    return read_tree(file)["step"] if file else 0


def name_of(cluster):
    return re.match(r"\w+", cluster.engine)[0]


def test_an_interrupted_sweep_leaves_nothing(cluster, tmp_path, long):
    if not long:
        pytest.skip("CLUSTER=long interrupts too")
    sweep = Sweep(tmp_path, cluster.engine, cluster.variables, 2, steps=20_000)
    process = sweep.start()
    sweep.wait_for_claims(2)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[0].decode()
    assert process.returncode == 130, said
    sweep.wait_until_clean(GONE_S)
    assert sweep.records() == {}


def test_a_run_that_takes_too_long_is_ended_on_its_node(cluster, tmp_path, long):
    if not long:
        pytest.skip("CLUSTER=long waits too")
    sweep = Sweep(tmp_path, cluster.engine, cluster.variables, 1, models=("egnn",), steps=200_000)
    process = sweep.start("--timeout", "25s")
    said = process.communicate()[0].decode()
    assert process.returncode == 4, said
    assert "timeout: no end within 25 s" in said

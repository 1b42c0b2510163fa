"""Sweeps on a real Dask and a real Slurm: whatever is killed, nothing finished is lost.

The same command ends the sweep with the scores of a local run, to the bit.

The long form, `CLUSTER=long`, runs 24 runs on each, and keeps what an engine costs.
"""

import os
import signal

import pytest
from clusters import Sweep, keep, wait_until

from bench.training import selection
from bench.training.execute import execute

pytestmark = pytest.mark.slow  # processes, each of which imports torch
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
        wait_until(lambda: not sweep.left(), GONE_S)
    said = sweep.finish()
    records = sweep.records()
    assert {name: record.scores for name, record in records.items()} == wanted, said
    assert {name: records[name].seconds for name in kept} == {n: r.seconds for n, r in kept.items()}
    wait_until(lambda: not sweep.left())
    if long:
        kinds = ["node daemon or worker alone", "node or worker with all it runs", "the command"]
        keep(
            f"sweep_{cluster.engine[:5].strip('=')}",
            {
                "runs": len(wanted),
                "kills": kinds,
                "finished_before_a_kill": len(kept),
                "equal_scores": len(wanted),
            },
        )


def test_an_interrupted_sweep_leaves_nothing(cluster, tmp_path, long):
    if not long:
        pytest.skip("CLUSTER=long interrupts too")
    sweep = Sweep(tmp_path, cluster.engine, cluster.variables, 2, steps=20_000)
    process = sweep.start()
    sweep.wait_for_claims(2)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[0].decode()
    assert process.returncode == 130, said
    wait_until(lambda: not sweep.left(), GONE_S)
    assert sweep.records() == {}


def test_a_run_that_takes_too_long_is_ended_on_its_node(cluster, tmp_path, long):
    if not long:
        pytest.skip("CLUSTER=long waits too")
    sweep = Sweep(tmp_path, cluster.engine, cluster.variables, 1, models=("egnn",), steps=200_000)
    process = sweep.start("--timeout", "25s")
    said = process.communicate()[0].decode()
    assert process.returncode == 4, said
    assert "timeout: no end within 25 s" in said

"""Sweeps on a real Dask and a real Slurm: whatever is killed, nothing finished is lost.

The same command ends the sweep with the scores of a local run, to the bit.

The long form, `CLUSTER=long`, runs 24 runs on each, and keeps what an engine costs.
"""

import os
import signal

import pytest
from clusters import Sweep, wait_until

from bench.training import selection
from bench.training.execute import execute

pytestmark = pytest.mark.slow  # processes, each of which imports torch
SEEDS = {False: 1, True: 12}
EMPTY, MEASURED = 20, 6


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
    said = sweep.finish()
    records = sweep.records()
    assert {name: record.scores for name, record in records.items()} == wanted, said
    assert {name: records[name].seconds for name in kept} == {n: r.seconds for n, r in kept.items()}
    wait_until(lambda: not sweep.left())

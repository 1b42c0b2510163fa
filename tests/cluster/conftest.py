"""Clusters on this machine: a Slurm of two nodes and a Dask of two workers, all on loopback."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from clusters import Cluster, environment_of, free_port

from bench.system.checkout import ROOT

LONG = os.environ.get("CLUSTER") == "long"
SCRIPT = Path(__file__).with_name("slurm.sh")


@pytest.fixture(scope="session")
def long():
    """Whether whole sweeps are run with kills, and figures are kept."""
    return LONG


@pytest.fixture
def dask(tmp_path):
    """A scheduler and two workers."""
    if find_spec("distributed") is None:
        pytest.skip("distributed is not installed: pip install 'remul[dask]'")
    address, workers = f"tcp://127.0.0.1:{free_port()}", []
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    env = os.environ | {"PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__DASHBOARD__LINK": ""}

    def start(*arguments):
        command = [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1"]
        return subprocess.Popen(
            [*command, "--no-dashboard"], cwd=tmp_path, env=env, start_new_session=True, **quiet
        )

    def replace():
        workers.append(start("worker", address, "--nthreads", "1"))

    def kill(whole=False):
        """The first worker goes: alone, or with what it runs."""
        started = workers.pop(0)
        worker = psutil.Process(started.pid)
        for process in [worker, *worker.children(recursive=whole)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        started.wait()

    def move():
        """The worker that trains goes with what it trains; another one takes over."""
        workers.sort(key=trains, reverse=True)
        kill(whole=True)
        replace()

    scheduler = start("scheduler", "--port", address.rpartition(":")[2])
    for _ in range(2):
        replace()
    yield Cluster(f"dask={address}", {}, kill, replace, move)
    for process in [*workers, scheduler]:
        process.terminate()
        process.wait()


def trains(started):
    """Whether a process has one that trains."""
    tree = psutil.Process(started.pid).children(recursive=True)
    return any("bench.worker" in process.cmdline() for process in tree)


@pytest.fixture
def slurm(tmp_path, long):
    """A controller and two node daemons."""
    if not long:
        pytest.skip("CLUSTER=long starts a Slurm, as `tox run -e cluster` does")
    if os.getuid() != 0 or shutil.which("apt-get") is None or find_spec("submitit") is None:
        pytest.skip("a Slurm of one's own takes root, Debian's packages and submitit")
    installed = subprocess.run([SCRIPT, "install"], capture_output=True)
    if installed.returncode:
        pytest.skip(f"Slurm cannot be installed here: {installed.stderr.decode()[-200:]}")
    folder = tmp_path / "slurm"
    variables = {"SLURM_CONF": str(folder / "slurm.conf"), "SLURM_TEST_PORT": str(free_port())}
    subprocess.run([SCRIPT, "start", folder], check=True, env=os.environ | variables)

    def is_ours(process):
        own = {"SLURMD_NODENAME": "node1", "SLURM_CONF": variables["SLURM_CONF"]}
        return own.items() <= environment_of(process).items()

    def kill(whole=False):
        """The daemon of node 1 goes, or all that the node runs."""
        os.kill(int((folder / "slurmd-node1.pid").read_text()), signal.SIGKILL)
        tree = [p for p in psutil.process_iter() if whole and is_ours(p)]
        steps = {p.parent() for p in tree if "slurmstepd" in p.parent().name()}
        for process in [*steps, *tree]:
            process.kill()

    def replace():
        subprocess.run([SCRIPT, "node", folder, "1"], check=True, env=os.environ | variables)

    def move():
        """The job that runs is stopped, and queued again."""
        running = ["squeue", "--me", "--array", "--states=running", "--noheader", "--format=%i"]
        told = subprocess.check_output(running, text=True, env=os.environ | variables)
        requeue = ["scontrol", "requeue", told.split()[0]]
        subprocess.run(requeue, check=True, env=os.environ | variables)

    yield Cluster("slurm:time=10", variables, kill, replace, move)
    subprocess.run(["scancel", "--me"], env=os.environ | variables)
    subprocess.run([SCRIPT, "stop", folder], env=os.environ | variables)

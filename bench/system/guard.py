"""A guard between a parent and its worker: of whatever one of them dies, nothing of both is left.

`python -m bench.system.guard CHECKOUT` starts the worker of a checkout on its own stdin and stdout.
When the parent lets go of them, or the worker ends, it kills the worker and all that the worker has
started, removes their temporary folder, and ends as the worker did. It runs no plug-in and imports
no torch, so nothing keeps it from acting at once.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import psutil

from bench.system import environment
from bench.system.checkout import ROOT
from bench.system.scratch import scratch_folder

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # of Linux


def main(checkout: Path) -> NoReturn:
    """Guard a worker until it or the parent is gone, then end as the worker did."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    _control(PR_SET_CHILD_SUBREAPER, 1)  # what a killed worker has started becomes ours
    with scratch_folder() as folder:
        worker = _start(checkout, folder)
        try:
            _wait(worker)
        finally:
            worker.kill()
            code = worker.wait()
            _kill_descendants()
    _end_like(code)


def _start(checkout: Path, folder: Path) -> subprocess.Popen:
    """Start the worker, which dies with the guard, and leave the pipes to it."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "bench.worker"],
        stderr=None if checkout == ROOT else subprocess.DEVNULL,
        cwd=None if checkout == ROOT else checkout,
        env=environment.environment(checkout) | {"TORCHINDUCTOR_CACHE_DIR": str(folder)},
        start_new_session=True,
        preexec_fn=lambda: _control(PR_SET_PDEATHSIG, signal.SIGKILL),
    )
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 1)
    return worker


def _wait(worker: subprocess.Popen) -> None:
    """Return when the worker has ended, or nobody holds the other end of stdin any more."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poller = select.poll()
    poller.register(0, 0)  # tells of a hang-up alone: what it says is for the worker
    poller.register(woken, select.POLLIN)
    while worker.poll() is None:
        if 0 in dict(poller.poll()):
            return
        os.read(woken, 512)


def _kill_descendants() -> None:
    """Kill all that was started, and what becomes ours by that, until nothing is left."""
    while children := psutil.Process().children(recursive=True):
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=0.2)


def _end_like(code: int) -> NoReturn:
    """End with the code of the worker, or of the signal that it died of."""
    if code < 0:
        with suppress(OSError):  # nobody may change what SIGKILL does
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _control(option: int, value: int) -> None:
    """Ask the kernel, where it is one that knows of this."""
    with suppress(AttributeError):
        ctypes.CDLL(None).prctl(option, value)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

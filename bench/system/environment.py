"""What a worker runs in: threads, pinned core, allocator, memory limit."""

import os
import re
from pathlib import Path

from bench.system.checkout import ROOT

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
CHECKPOINT_S = "REMUL_CHECKPOINT_S"  # the variable that says how often a training's state is kept
KEPT = "REMUL_KEEP"  # the variable that says what is kept of a trained run
COMPILE = "REMUL_COMPILE"  # the variable that, where it is, has training steps compiled
GRAPH = "REMUL_GRAPH"  # the variable that says whether a step is to be one CUDA graph
GPU_SHARE = "REMUL_GPU_SHARE"  # the variable that says which share of a GPU's memory is a run's
KEEP_PAGES = {  # glibc then gives no memory back, so no call pays for touching it anew
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
    "MALLOC_TOP_PAD_": str(2**26),
}


def environment(checkout: Path = ROOT) -> dict[str, str]:
    """Return that of a worker: this one, one thread in each pool, freed memory kept."""
    path = os.pathsep.join(filter(None, (str(checkout), os.environ.get("PYTHONPATH"))))
    pinned = dict.fromkeys(THREAD_VARIABLES, "1")
    return {**os.environ, "PYTHONPATH": path, **pinned, **KEEP_PAGES}


def pin() -> None:
    """Keep this process on the last core it may use, where the system lets it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def spare_memory(share: float) -> None:
    """Refuse this process more than that share of the memory that is free now or its own.

    An allocation that does not fit then fails in this process and harms no other, and what it has
    done before makes no difference. Does nothing where the system does not tell.
    """
    import resource

    try:
        free = _read_kb("/proc/meminfo", "MemAvailable") + _read_kb("/proc/self/status", "RssAnon")
    except OSError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (int(share * 1024 * free), most))


def _read_kb(file: str, name: str) -> int:
    """Return an amount that the system tells of memory. Raises `OSError` if it does not."""
    found = re.search(rf"^{name}:\s*(\d+) kB", Path(file).read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"no {name} in {file}")
    return int(found[1])

"""What commands share: where records and data are kept, and the reading of records."""

import os
import re
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from bench.records import files, run_store
from bench.system.checkout import ROOT

RESULTS = ROOT / "results"
DATA = "REMUL_DATA"  # as in bench.data.cache, which is slow to import
UNITS = {"s": 1, "m": 60, "h": 3600}


def results_argument(command: ArgumentParser) -> None:
    """`--results DIR`."""
    command.add_argument(
        "--results", type=Path, default=RESULTS, metavar="DIR", help="default: results/"
    )


def task_argument(command: ArgumentParser) -> None:
    """`--task T`."""
    command.add_argument("--task", metavar="T", help="one task only")


def data_argument(command: ArgumentParser) -> None:
    """`--data DIR`."""
    text = f"folder of data (default: ${DATA}, else the user's cache folder)"
    command.add_argument("--data", type=Path, default=SUPPRESS, metavar="DIR", help=text)


def budget_argument(command: ArgumentParser, default_s: float, text: str) -> None:
    """`--budget T`, in seconds."""
    command.add_argument(
        "--budget", type=_seconds, default=default_s, metavar="T", help=f"{text}: 90s, 30m or 2h"
    )


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not found:
        raise ArgumentTypeError(f"{text!r} is no time; write 90s, 30m or 2h")
    return float(found[1]) * UNITS[found[2]]


def choose_data(options: Namespace) -> None:
    """Has this process and its workers keep data in the folder given, if one is."""
    if "data" in options:
        os.environ[DATA] = str(options.data.resolve())


def stored(options: Namespace, task: str | None = None) -> dict[Path, list[files.Record]]:
    """The records of each machine. Raises `ValueError` if there are none, or none of the task."""
    machines = sorted(path.parent for path in options.results.glob("*/runs"))
    if not machines and task is None and timed(options):
        return {}
    if not machines:
        raise ValueError(
            f"no records under {options.results}; 'python -m bench run quick' makes some"
        )
    found = {root: readable(root) for root in machines}
    tasks = {Path(r["run"]["task"]["name"]).stem for some in found.values() for r in some}
    if not tasks and not timed(options):
        raise ValueError("no record that can be read")
    if task not in (None, *tasks):
        raise ValueError(f"no records of task {task!r}; there are {', '.join(sorted(tasks))}")
    return found


def timed(options: Namespace) -> list[Path]:
    """The machines that have speed records, of ours or of other packages' networks."""
    folders = [*options.results.glob("*/speed"), *options.results.glob("*/peers")]
    return sorted({path.parent for path in folders})


def readable(root: Path) -> list[files.Record]:
    """The records of one machine; those that cannot be read are named."""
    found, problems = run_store.load(root)
    for problem in problems:
        print(f"skipped: {problem}", file=sys.stderr)
    return found

"""What commands share: where records and data are kept, and the reading of records."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from math import inf
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from bench.system import environment
from bench.system.checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.records.run_record import RunRecord
    from bench.records.run_store import RunStore

RESULTS = ROOT / "results" / "local"
PUBLISHED = ROOT / "results" / "published"
DATA = "REMUL_DATA"  # as in bench.data.cache, which is slow to import
COMPILERS = ("g++", "clang++")
RECORDS = ("runs/*/*.json", "speed/*.json", "peers/*.json")  # in a machine's folder
UNITS = {"s": 1, "m": 60, "h": 3600}
PROBE = 2**16  # bytes


def folder(text: str) -> Path:
    """Return the path that a text is, `~` for the user's home."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ArgumentTypeError(f"{text!r}: {error}") from None


def results_folder(text: str) -> Path:
    """Return the path of a folder of machines' folders: one of these would get others in it."""
    path = folder(text)
    if _holds_records(path, *RECORDS):
        parent = Path(os.path.abspath(path)).parent
        raise ArgumentTypeError(f"{text} is the folder of one machine; give {parent}, where it is")
    return path


def results_argument(command: ArgumentParser) -> None:
    """`--results DIR`."""
    command.add_argument(
        "--results", type=results_folder, default=RESULTS, metavar="DIR",
        help="folder of records (default: results/local; ours are in results/published)",
    )  # fmt: skip


def task_argument(command: ArgumentParser) -> None:
    """`--task T`."""
    text = (
        "one task only, as in nbody_gravity (with any options), nbody_gravity:val=500, my_task.py"
    )
    command.add_argument("--task", type=_task, metavar="T", help=text)


def _task(text: str) -> str:
    try:
        return label_task(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def label_task(text: str) -> str:
    """Return the task as tables write it, given so or as `run` takes it."""
    from bench.core import notation

    written = ":" in text or text.endswith(".py")
    return notation.parse("tasks", text).label if written else text


def data_argument(command: ArgumentParser) -> None:
    """`--data DIR`."""
    text = f"folder of data (default: ${DATA}, else the user's cache folder)"
    command.add_argument("--data", type=folder, default=SUPPRESS, metavar="DIR", help=text)


def budget_argument(command: ArgumentParser, default_s: float, text: str) -> None:
    """`--budget T`, in seconds."""
    command.add_argument(
        "--budget", type=_seconds, default=default_s, metavar="T", help=f"{text}: 90s, 30m or 2h"
    )


def timeout_argument(command: ArgumentParser) -> None:
    """`--timeout T`, in seconds."""
    command.add_argument(
        "--timeout", type=_seconds, default=inf, metavar="T",
        help="end a run, or its timing, after this time, its process's start included",
    )  # fmt: skip


def checkpoint_argument(command: ArgumentParser) -> None:
    """`--checkpoint T`, in seconds."""
    command.add_argument(
        "--checkpoint", type=_seconds, default=600.0, metavar="T",
        help="keep the state of each training so often, to go on from if it is stopped (default: "
        "10m); methods that train in their own way start anew",
    )  # fmt: skip


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not match:
        raise ArgumentTypeError(f"{text!r} is no time; write 90s, 30m or 2h")
    return float(match[1]) * UNITS[match[2]]


def check_temporary_folder() -> None:
    """Raise `ValueError` if the folder of temporary files, which workers need, is full."""
    folder = os.environ.get("TMPDIR")
    try:
        _probe(folder or None)
    except OSError as error:
        raise ValueError(
            f"temporary files cannot be written to {folder or 'their folder'} ({error.strerror}); "
            "set TMPDIR to another one"
        ) from None


def check_data_folder() -> None:
    """Raise `ValueError` if no data could be kept."""
    from bench.data.cache import folder

    where = folder()
    try:
        where.mkdir(parents=True, exist_ok=True)
        _probe(where)
    except OSError as error:
        raise ValueError(
            f"data cannot be kept in {where} ({error.strerror}); choose another folder with --data"
        ) from None


def _probe(folder: Path | str | None) -> None:
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(bytes(PROBE))


def choose_data(options: Namespace) -> None:
    """Have this process and its workers keep data in the folder given, if one is."""
    if "data" in options:
        os.environ[DATA] = str(options.data.resolve())


def choose_compiler(compiled: bool) -> None:
    """Have workers compile training steps, or not. Raises `ValueError` without a compiler."""
    os.environ.pop(environment.COMPILE, None)
    if not compiled:
        return
    compilers = [os.environ.get("CXX"), *COMPILERS]
    if not any(which(name) for name in compilers if name):
        raise ValueError(
            f"compiled training needs a C++ compiler, {' or '.join(COMPILERS)} or what CXX names; "
            "there is none"
        )
    os.environ[environment.COMPILE] = "1"


def read_machines(options: Namespace, task: str | None = None) -> dict[Path, list[RunRecord]]:
    """Return the records of each machine.

    Raises `ValueError` if there are none, or none of the task.
    """
    from bench.records.run_store import RunStore

    machines = list_machines(options, RECORDS[0])
    if not machines and task is None and list_timed_machines(options):
        return {}
    if not machines:
        raise ValueError(
            f"no records under {options.results}; 'python -m bench run quick' makes some, "
            "'--results results/published' shows published ones"
        )
    records = {root: read_runs(RunStore(root)) for root in machines}
    found = [record.run.task for own in records.values() for record in own]
    tasks = {task.stem for task in found}
    if not tasks and not list_timed_machines(options):
        raise ValueError("no record that can be read")
    labels = {own.label for own in found}
    if task is not None and task not in tasks | labels:
        of_name = {label for label in labels if label.startswith(f"{task.partition('(')[0]}(")}
        there = ", ".join(sorted(of_name or tasks))
        raise ValueError(f"no records of task {task!r}; there are {there}")
    return records


def list_timed_machines(options: Namespace) -> list[Path]:
    """Return the machines that have speed records, of ours or of other packages' networks."""
    return list_machines(options, *RECORDS[1:])


def list_machines(options: Namespace, *patterns: str) -> list[Path]:
    """Return the folders that hold such records: not each one with a folder of that name."""
    folders = filter(Path.is_dir, options.results.glob("*"))
    return sorted(folder for folder in folders if _holds_records(folder, *patterns))


def _holds_records(folder: Path, *patterns: str) -> bool:
    return any(next(folder.glob(pattern), None) for pattern in patterns)


def write_changed(texts: Mapping[Path, str]) -> None:
    """Write the files whose texts are not there yet, once they are printed: this may fail."""
    from bench.records import files

    for file, text in texts.items():
        if not (file.is_file() and file.read_bytes() == text.encode()):
            files.write_whole(file, text)


def read_runs(store: RunStore) -> list[RunRecord]:
    """Return the records of one machine, and name those that cannot be read."""
    records, problems = store.load()
    for problem in problems:
        print(f"skipped: {problem}", file=sys.stderr)
    return records

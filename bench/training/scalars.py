"""Curves and scores of finished runs as TensorBoard shows them, where it is installed."""

import csv
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from bench.core.config import Run
from bench.core.keys import run_name
from bench.records.run_record import RunRecord
from bench.records.run_store import RunStore


def check_installed() -> None:
    """Raise `ValueError` if nothing could be logged."""
    if find_spec("tensorboard") is None:
        raise ValueError("--log-dir needs TensorBoard: pip install tensorboard")


def check_folder(folder: Path) -> None:
    """Raise `ValueError` if it is no folder, and none can be made there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--log-dir {folder} cannot be written ({error.strerror})") from None


def write_missing(folder: Path, runs: Iterable[Run], store: RunStore) -> None:
    """Write those of the finished runs that the folder has nothing of."""
    for run in runs:
        if not (folder / run_name(run)).exists():
            write_scalars(folder, store.read(store.path(run)), store)


def write_scalars(folder: Path, record: RunRecord, store: RunStore) -> None:
    """Write a run's curve and scores as the events of a folder that has its name."""
    from torch.utils.tensorboard import SummaryWriter

    curve = store.curve_path(record.run)
    with SummaryWriter(str(folder / run_name(record.run, record.key))) as writer:
        for row in csv.DictReader(curve.read_text().splitlines()) if curve.is_file() else ():
            step = int(row.pop("step"))
            for name, text in row.items():
                if text:
                    writer.add_scalar(f"training/{name}", float(text), step)
        for name, score in record.scores.items():
            writer.add_scalar(f"scores/{name}", score, record.run.steps)

"""Curves and scores of finished runs as TensorBoard shows them, where it is installed."""

import csv
from importlib.util import find_spec
from pathlib import Path

from bench.core.keys import run_name
from bench.records.run_record import RunRecord
from bench.records.run_store import RunStore


def check_installed() -> None:
    """Raise `ValueError` if nothing could be logged."""
    if find_spec("tensorboard") is None:
        raise ValueError("--log-dir needs TensorBoard: pip install tensorboard")


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

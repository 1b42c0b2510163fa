"""What a run may keep beside its record: the trained weights, and predictions on its splits."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bench.core.config import Run
from bench.core.contracts import Task
from bench.core.keys import run_name
from bench.records import files, run_record
from bench.records.run_store import PREDICTIONS, WEIGHTS, RunStore
from bench.records.tensors import read_tensors, write_tensors
from bench.training.build import build, symmetrise
from bench.training.scores import chunks
from remul import Batch, Fields
from remul.checks import predict


def write_artifacts(
    store: RunStore, names: Iterable[str], run: Run, task: Task, model: nn.Module
) -> None:
    """Write the weights and the predictions, as far as they are named, beside the record to come.

    Predictions are those of the model that is scored.
    """
    record = store.path(run)
    if "weights" in names:
        write_tensors(record.with_suffix(WEIGHTS), model.state_dict(), run_name(run))
    if "predictions" in names:
        wrapped = symmetrise(model, task.signature, run.symmetrise)
        splits = {"val": task.val, **task.splits}
        arrays = {
            f"{split}/{name}": field.cpu().numpy()
            for split, batch in splits.items()
            for name, field in predict_all(wrapped, batch).items()
        }
        content = io.BytesIO()
        np.savez(content, **arrays)
        files.write_whole(record.with_suffix(PREDICTIONS), content.getvalue())


@torch.no_grad()
def predict_all(model: nn.Module, data: Batch) -> Fields:
    """Return the predicted fields of all samples."""
    model.eval()
    parts = [predict(model, chunk.inputs, chunk.targets) for chunk in chunks(data)]
    model.train()
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def load_network(file: Path | str, device: str = "cpu") -> tuple[Task, nn.Module]:
    """Return the task and the trained network of a record whose weights were kept.

    It is built as the run was, by the code that the record names. Raises `ValueError` for a file
    that is no record, and for weights that are not there or not whole.
    """
    record = files.read_record(Path(file), run_record.parse)
    weights, _ = read_tensors(Path(file).with_suffix(WEIGHTS))
    task, model, _ = build(record.run, device)
    model.load_state_dict(weights)
    return task, model.eval()

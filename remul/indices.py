"""Checks of `batch`, `edge_index` and `shift`; each error says what would be right."""

import torch
from torch import Tensor

from remul.fields import BATCH, EDGE_INDEX, INDICES, MASK, SHIFT, Fields
from remul.values import holds

RIGHT = {
    BATCH: "int64 (N,), the sample of each object in order, such as 0, 0, 1, 2, 2",
    EDGE_INDEX: "int64 (2, E), the sender and the receiver of each edge",
    SHIFT: "int64 (E, 3), by how many cells the sender of each edge is moved",
}


def check_indices(fields: Fields) -> None:
    """Raise `ValueError` for indices that do not fit one another, or that leave a sample empty.

    Values are looked at where that costs next to nothing: on a CPU, untraced.
    """
    here = {name: fields[name] for name in INDICES if name in fields}
    if not here:
        return
    if BATCH not in here or (SHIFT in here and EDGE_INDEX not in here):
        name = SHIFT if SHIFT in here else EDGE_INDEX
        missing = EDGE_INDEX if BATCH in here else BATCH
        raise ValueError(f"field {name!r} needs {missing!r}, {RIGHT[missing]}")
    if MASK in fields:
        raise ValueError(f"field {MASK!r} is of padded samples; leave it out beside {BATCH!r}")
    edges = here[EDGE_INDEX].shape[-1] if EDGE_INDEX in here else 0
    shapes = {BATCH: (len(here[BATCH]),), EDGE_INDEX: (2, edges), SHIFT: (edges, 3)}
    for name, x in here.items():
        if x.shape != shapes[name] or x.dtype != torch.int64:
            raise ValueError(f"field {name!r} is {x.dtype} {tuple(x.shape)}, not {RIGHT[name]}")
    _check_batch(here[BATCH])
    if EDGE_INDEX in here:
        _check_edges(here[EDGE_INDEX], here[BATCH])


def _check_batch(batch: Tensor) -> None:
    if not len(batch):
        raise ValueError(f"field {BATCH!r} is empty; at least one sample is needed")
    steps = batch.diff()
    if holds(steps < 0):
        raise ValueError(f"field {BATCH!r} is not sorted; it has to be {RIGHT[BATCH]}")
    if holds(steps > 1) or holds(batch[0] != 0):
        raise ValueError(f"field {BATCH!r} skips a sample; count from 0, none may be empty")


def _check_edges(edge_index: Tensor, batch: Tensor) -> None:
    if holds((edge_index < 0) | (edge_index >= len(batch))):
        raise ValueError(f"field {EDGE_INDEX!r} goes beyond the objects, 0 to {len(batch) - 1}")
    if not edge_index.is_cpu:
        return
    sender, receiver = batch[edge_index]
    if holds(sender != receiver):
        raise ValueError(
            f"field {EDGE_INDEX!r} joins objects of different samples; keep it within one"
        )

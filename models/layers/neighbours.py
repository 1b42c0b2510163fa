"""The edges of a network: those given, or from all objects, the nearest or those within a cut-off.

Small samples have one row of senders for each object. Ragged samples, cells and cut-offs have a
list of edges.
"""

from math import inf

import torch
from torch import Tensor

from models.layers.edge_lists import Reach, list_edges
from models.layers.edges import Edges, gather_rows
from models.layers.fields import pack_pairs
from models.layers.samples import has_cell
from models.layers.search import can_read, find_nearest
from remul.fields import BATCH, MASK, Fields, Signature, Types

FEW = 32  # objects up to which all pairs of a sample are faster than a list of those within reach


def limit_reach(
    signature: Signature, neighbours: int | None, cutoff: float | None, model: str
) -> Reach:
    """Return the reach, or raise `ValueError`, naming `model`, for one that cannot be."""
    if neighbours is not None and cutoff is not None:
        raise ValueError(f"{model} takes neighbours or a cutoff, not both")
    if cutoff is not None and not 0 < cutoff < inf:
        raise ValueError(f"{model} needs a finite cutoff above 0, got {cutoff}")
    if neighbours is not None and has_cell(signature.inputs):
        raise ValueError(f"{model} takes a cutoff in a cell, not neighbours: it has no end")
    return Reach(neighbours, cutoff)


def find_all_edges(
    inputs: Fields,
    types: Types,
    x: Tensor,
    neighbours: int | None = None,
    cutoff: float | None = None,
) -> Edges:
    """Return the edges between all objects at x, (batch, n, 3), also from each one to itself.

    Where fewer send, or edges are given, those of `find_edges`, of a list several to a row.
    """
    if are_listed(inputs, types, x, cutoff):
        return list_edges(inputs, types, x, Reach(neighbours, cutoff), several=True)
    if neighbours is None or neighbours >= x.shape[1] - 1:
        edge_vectors = x[:, :, None] - x[:, None]  # (batch, n, n, 3)
        features = pack_pairs(inputs, types)
        return Edges(edge_vectors, _list_others(inputs, x), features, None).weigh(cutoff)
    return find_edges(inputs, types, x, neighbours)


def find_edges(
    inputs: Fields,
    types: Types,
    x: Tensor,
    neighbours: int | None = None,
    cutoff: float | None = None,
) -> Edges:
    """Return the edges given, or from all other objects, the nearest or those within a cut-off.

    They leave out those from an object to itself, a fifth of the work at five objects. Raises
    `ValueError` for fewer neighbours than none, and in a cell where there is nothing to find by.
    """
    if neighbours is not None and neighbours < 0:
        raise ValueError(f"neighbours have to be at least 0, got {neighbours}")
    if are_listed(inputs, types, x, cutoff):
        return list_edges(inputs, types, x, Reach(neighbours, cutoff), several=False)
    batch, n = x.shape[:2]
    features, real = pack_pairs(inputs, types), inputs.get(MASK, x.new_ones(batch, n, 1)) > 0
    if neighbours is None or neighbours >= n - 1:
        index = _index_others(x)
        sends = real.mT.expand(-1, n, -1).gather(2, index)
    else:
        index, sends = find_nearest(x, real.squeeze(-1), neighbours)
    if features is not None:
        features = features.gather(2, index[..., None].expand(-1, -1, -1, features.shape[-1]))
    senders = index + n * torch.arange(batch, device=x.device)[:, None, None]
    edge_vectors = x[:, :, None] - gather_rows(x, senders)
    return Edges(edge_vectors, sends.unsqueeze(-1).to(x), features, senders).weigh(cutoff)


def are_listed(inputs: Fields, types: Types, x: Tensor, cutoff: float | None) -> bool:
    """Tell whether the edges are a list, and not as many for each object of a sample."""
    if BATCH in inputs or has_cell(types):
        return True
    return cutoff is not None and x.shape[1] > FEW and can_read(x)


def _list_others(inputs: Fields, x: Tensor) -> Tensor:
    """Return 1 where j is real and not i, else 0, (batch or 1, n, n, 1)."""
    n = x.shape[1]
    others = (1 - torch.eye(n, dtype=x.dtype, device=x.device)).view(1, n, n, 1)
    return others * inputs[MASK].to(x)[:, None] if MASK in inputs else others


def _index_others(x: Tensor) -> Tensor:
    """Return all objects but i for each i, the next ones first, (batch, n, n - 1)."""
    n = x.shape[1]
    objects = torch.arange(n, device=x.device)
    index = (objects[:, None] + objects[1:]) % n
    return index.expand(x.shape[0], -1, -1)

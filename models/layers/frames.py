"""Local frames of edges, and what is invariant in them."""

import torch
from torch import Tensor

from models.layers.edges import Edges
from models.layers.lengths import log_squared_length, smooth_length


def build_frames(x: Tensor, edge_vectors: Tensor, edges: Edges) -> Tensor:
    """Return the axes e1, e2, e3 of edges, (batch, rows, k, 3 axes, 3), of points (batch, n, 3).

    `edge_vectors` are x_i - x_j.
    """
    x_i, x_j = torch.broadcast_tensors(edges.gather_receivers(x), edges.gather_senders(x))
    e1, e2 = shorten(edge_vectors), shorten(torch.linalg.cross(x_i, x_j))
    return torch.stack([e1, e2, torch.linalg.cross(e1, e2)], 3)


def shorten(x: Tensor) -> Tensor:
    """Return vectors over their length + 1, smooth at zero."""
    return x / (1 + smooth_length(x))


def scalarize(frames: Tensor, v: Tensor, edges: Edges) -> Tensor:
    """Return the components of the vectors of i and of j, (batch, n, c, 3), in the frames.

    Those of i come first: (batch, rows, k, 6 c).
    """
    of_i = (frames.flatten(2, 3) @ edges.to_rows(v).mT).unflatten(2, (-1, 3))
    if edges.senders is None:
        # The frame of j and i is that of i and j with e1 and e2 reversed, so the components of j's
        # vectors are those of i's, transposed, up to signs.
        reversed_axes, kept_axis = of_i.transpose(1, 2).split([2, 1], 3)
        of_j = [-reversed_axes.flatten(3), kept_axis.flatten(3)]
    else:
        v_j = edges.gather_senders(v.flatten(2)).unflatten(-1, (1, -1, 3))
        of_j = [(frames.unsqueeze(4) * v_j).sum(-1).flatten(3)]  # over (batch, rows, k, 3, c, 3)
    return torch.cat([of_i.flatten(3), *of_j], -1)


def edge_invariants(x: Tensor, edge_vectors: Tensor, edges: Edges) -> Tensor:
    """Return log(1 + d^2) and a soft cosine as seen from the centroid, (batch, rows, k, 2)."""
    squared, short = log_squared_length(edge_vectors, keepdim=False), shorten(x)
    if edges.senders is None:
        cosines = short @ short.mT
    else:
        cosines = (edges.gather_receivers(short) * edges.gather_senders(short)).sum(-1)
    return torch.stack([squared, cosines], -1)

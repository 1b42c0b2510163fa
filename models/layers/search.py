"""Who is near whom: the nearest objects with all ties, all within a cut-off, images in a cell.

Trees and cell lists find them in linear time where numbers can be read from tensors. Nothing here
has a derivative.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor
from vesin import NeighborList

from models.layers.padding import find_padding

ROUND_OFF = 8  # of distances after a motion, in units of the precision times the farthest point
PAIRS_AT_ONCE = 1 << 20  # of which distances are held at a time
TREE = 256  # objects from which on a tree is faster than all distances


class Pairs(NamedTuple):
    """Edges by rows of objects, sorted by receiver: senders and receivers (E,), shifts (E, 3)."""

    senders: Tensor
    receivers: Tensor
    shift: Tensor | None = None


def can_read(x: Tensor) -> bool:
    """Tell whether numbers can be read from a tensor.

    They cannot in export, under `vmap` and while a CUDA graph is captured.
    """
    if torch.compiler.is_exporting():
        return False
    if x.is_cuda and torch.cuda.is_current_stream_capturing():
        return False
    return not torch._C._functorch.is_batchedtensor(_lower(x))


def find_nearest(x: Tensor, real: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    """Return the objects nearest to each i, (batch, n, k), and which of them are its neighbours.

    These are the real objects (batch, n) other than i up to the distance of the nearest
    `neighbours`. All at that distance, up to round-off, are among them: so neither the order of the
    objects nor a motion changes them, and k is more than `neighbours` where there are ties. It is
    n - 1 where no number can be read from a tensor: in export, `vmap` and a captured CUDA graph.
    """
    batch, n, _ = x.shape
    if neighbours == 0:
        index = torch.zeros(batch, n, 0, dtype=torch.long, device=x.device)
        return index, index > 0
    round_off = ROUND_OFF * torch.finfo(x.dtype).eps
    x = x.detach().double()  # holds differences of float32 without a loss, and squares of 1e-30
    tolerance = round_off * x.norm(dim=-1).amax(1)[:, None, None]
    width = min(neighbours + (1 if n < TREE else 4), n - 1)  # few of many objects have ties
    while True:  # until an object that is no neighbour stands behind those of every other
        distances, index = _rank_others(x, real, width)
        limits = distances[..., neighbours - 1 : neighbours] + tolerance
        sends = distances <= limits.clamp_max(torch.finfo(x.dtype).max)  # padding is at infinity
        k = _read_largest(sends.sum(-1), n - 1)
        if k < width or width == n - 1:
            return index[..., : max(k, neighbours)], sends[..., : max(k, neighbours)]
        width = min(max(k, 2 * width), n - 1)


def find_nearest_of_samples(x: Tensor, sample: Tensor, neighbours: int) -> Pairs:
    """Return the edges of `find_nearest` between points (N, 3) of the samples (N,), in order.

    Where sizes differ by four times or more, samples are padded beside those of less than twice
    their size alone, so that a large one costs the small ones nothing.
    """
    size = sample.bincount()[sample].double().log2().long()
    sizes = size.unique().tolist()
    if len(sizes) < 2 or sizes[-1] - sizes[0] < 2:
        return _find_nearest_padded(x, sample, neighbours)
    parts = []
    for one in sizes:
        (rows,) = (size == one).nonzero(as_tuple=True)
        _, own = sample[rows].unique_consecutive(return_inverse=True)
        pairs = _find_nearest_padded(x[rows], own, neighbours)
        parts.append(rows[torch.stack([pairs.receivers, pairs.senders])])
    receivers, senders = torch.cat(parts, 1)
    receivers, order = receivers.sort(stable=True)
    return Pairs(senders[order], receivers)


def _find_nearest_padded(x: Tensor, sample: Tensor, neighbours: int) -> Pairs:
    padding = find_padding(sample)
    points, real = padding.pad(x.detach()), padding.pad(torch.ones_like(sample)) > 0
    if neighbours >= points.shape[1] - 1:
        return pair_all(sample)
    index, sends = find_nearest(points, real, neighbours)
    row, place, slot = (sends & real.unsqueeze(-1)).nonzero(as_tuple=True)
    objects = padding.pad(torch.arange(len(sample), device=sample.device))
    return Pairs(objects[row, index[row, place, slot]], objects[row, place])


@torch.compiler.disable
def find_within(x: Tensor, sample: Tensor, cutoff: float) -> Pairs:
    """Return all pairs of points (N, 3) of one sample, (N,), that are nearer than the cut-off."""
    # Samples lie apart along a fourth axis, which leaves distances within one as they are.
    points = np.column_stack([_read(x), 2 * cutoff * _read(sample)])
    tree = cKDTree(points, balanced_tree=False, compact_nodes=False)
    pairs = torch.from_numpy(tree.query_pairs(cutoff, output_type="ndarray")).to(x.device)
    receivers, order = torch.cat([pairs[:, 0], pairs[:, 1]]).sort(stable=True)
    return Pairs(torch.cat([pairs[:, 1], pairs[:, 0]])[order], receivers)


@torch.compiler.disable
def find_images(x: Tensor, sample: Tensor, cells: Tensor, cutoff: float) -> Pairs:
    """Return all pairs of points (N, 3) and images nearer than the cut-off, with their shifts.

    `cells` are (samples, 3, 3), their rows the lattice vectors; along a row of zeros nothing
    repeats. An edge's sender is moved by its shift times the cell.
    """
    if not len(x):
        return pair_all(sample)
    search = NeighborList(cutoff=cutoff, full_list=True, sorted=True, n_threads=1)
    points, samples, found = _read(x), _read(sample), []
    for index, cell in enumerate(_read(cells)):
        (own,) = (samples == index).nonzero()
        receivers, senders, shift = search.compute(points[own], cell, cell.any(-1), "ijS")
        found.append((own[senders], own[receivers], shift.astype(np.int64)))
    parts = (np.concatenate(part) for part in zip(*found, strict=True))
    return Pairs(*(torch.from_numpy(part).to(x.device) for part in parts))


def pair_all(sample: Tensor) -> Pairs:
    """Return all pairs of different objects of one sample, given that of each, (N,), in order."""
    counts = sample.bincount()
    starts = counts.cumsum(0) - counts
    receivers = torch.arange(len(sample), device=sample.device).repeat_interleave(counts[sample])
    first = (counts[sample].cumsum(0) - counts[sample])[receivers]  # of the edges of a receiver
    senders = torch.arange(len(receivers), device=sample.device) - first + starts[sample[receivers]]
    others = senders != receivers
    return Pairs(senders[others], receivers[others])


def _rank_others(x: Tensor, real: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return distances and rows of the nearest others, (batch, n, count), padding at infinity.

    A few receivers at a time, from differences: products of matrices would lose digits.
    """
    batch, n, _ = x.shape
    if n >= TREE and can_read(x) and not torch.compiler.is_compiling():
        return _rank_by_tree(x, real, count)
    objects, ranked = torch.arange(n, device=x.device), []
    for rows in objects.split(max(1, PAIRS_AT_ONCE // max(1, batch * n))):
        distances = torch.cdist(x[:, rows], x, compute_mode="donot_use_mm_for_euclid_dist")
        absent = ~real[:, None] | (rows[:, None] == objects)
        ranked.append(distances.masked_fill(absent, torch.inf).topk(count, largest=False))
    distances, index = zip(*ranked, strict=True)
    return torch.cat(distances, 1), torch.cat(index, 1)


def _rank_by_tree(x: Tensor, real: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return what `_rank_others` does, from a tree of each sample."""
    batch, n, _ = x.shape
    distances = torch.full((batch, n, count), torch.inf, dtype=torch.double)
    index = torch.zeros(batch, n, count, dtype=torch.long)
    for sample, (points, there) in enumerate(zip(_read(x), _read(real), strict=True)):
        (rows,) = there.nonzero()
        tree = cKDTree(points[rows])
        order = tree.indices  # one leaf after another: near points share memory
        found = tree.query(points[rows[order]], range(1, count + 2))
        away, who = found
        others = who != order[:, None]
        others[others.all(-1), -1] = False  # of so many at one place that it is not among them
        away, who = (part[others].reshape(-1, count) for part in (away, who))
        distances[sample, rows[order]] = torch.from_numpy(away)
        index[sample, rows[order]] = torch.from_numpy(rows[who.clip(max=len(rows) - 1)])
    return distances.to(x.device), index.to(x.device)


def _read_largest(counts: Tensor, otherwise: int) -> int:
    """Return the largest entry, or `otherwise` where a tensor has no number that can be read."""
    if not can_read(counts):
        return otherwise
    return int(counts.max()) if counts.numel() else 0


def _lower(x: Tensor) -> Tensor:
    """Return a tensor without the wrappers of `torch.func.grad` and `jvp`, those of `vmap` on."""
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(x) and not functorch.is_batchedtensor(x):
        x = functorch.get_unwrapped(x)
    return x


def _read(x: Tensor) -> np.ndarray:
    """Return the numbers of a tensor, in float64 unless they are integers or booleans."""
    with torch._C._DisableFuncTorch():
        x = _lower(x).detach().cpu()
        return (x.double() if x.is_floating_point() else x).numpy()

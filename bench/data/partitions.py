"""Which weights are the same: partitions as a label for each weight, and how far two are apart."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def partition_distance(first: Tensor, second: Tensor) -> int:
    """Return the least number of elements to move until both partitions are the same.

    K minus the largest overlap that any matching of their groups has (Gusfield 2002).
    """
    overlap = count_overlaps(first, second)
    rows, columns = linear_sum_assignment(overlap.numpy(), maximize=True)
    return len(first) - int(overlap[rows, columns].sum())


def count_overlaps(first: Tensor, second: Tensor) -> Tensor:  # (groups, groups)
    """Return how many elements each group of one partition has in each of the other."""
    a, b = (labels.unique(return_inverse=True)[1] for labels in (first, second))
    counts = torch.zeros(int(a.max()) + 1, int(b.max()) + 1, dtype=torch.long)
    return counts.index_put((a, b), torch.ones_like(a), accumulate=True)

"""What tests of penalties share: two terms whose gradients are known, and calls of a penalty."""

from copy import deepcopy

import torch


def weight(dtype=torch.float64):
    return torch.tensor([3.0, 4.0], dtype=dtype, requires_grad=True)


def two_terms(w):
    """Half |w|^2, whose gradient is w, and 2 w_2, whose gradient has the norm 2."""
    return {"fit": w.square().sum() / 2, "equivariance": 2 * w[1]}


def call_copy(penalty, times, w):
    """A fresh copy of the penalty, which is called that often and takes gradients in w."""
    penalty = deepcopy(penalty)
    if hasattr(penalty, "watch"):
        penalty.watch([w])
    for _ in range(times):
        penalty(two_terms(w))
    return penalty


def numbers(penalty):
    return [float(weight) for weight in penalty.weights.values()]

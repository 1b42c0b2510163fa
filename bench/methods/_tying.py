"""What ties weights: soft and hard assignments of weights to groups, and the search among them."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

DAMPING = 1e-6


@dataclass(frozen=True)
class Quadratic:
    """The mean squared error of a linear map in its weights: w G w - 2 b w + c."""

    gram: Tensor  # (K, K)
    moment: Tensor  # (K,)
    constant: Tensor

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> "Quadratic":
        """Return that of y = W x for samples in rows, over samples and outputs."""
        x, y = x.double(), y.double()
        gram = torch.kron(torch.eye(y.shape[1]).to(x), x.mT @ x)
        return cls(gram / y.numel(), (y.mT @ x).flatten() / y.numel(), y.square().mean())

    def loss(self, weights: Tensor) -> Tensor:
        """Return the error of each vector of weights, (..., K)."""
        square = (weights @ self.gram * weights).sum(-1)
        return square - 2 * weights @ self.moment + self.constant

    def fit(self, assignment: Tensor) -> Tensor:
        """Return the best number of each group, for assignments (..., K, C) of weights to them."""
        normal = assignment.mT @ self.gram @ assignment
        eye = torch.eye(normal.shape[-1]).to(normal)
        return torch.linalg.solve(normal + DAMPING * eye, assignment.mT @ self.moment)


def size_norm(assignment: Tensor) -> Tensor:
    """Return sum_j |A_j| over the columns: for a hard assignment the roots of the group sizes."""
    return assignment.square().sum(-2).add(1e-12).sqrt().sum(-1)


def row_entropy(assignment: Tensor) -> Tensor:
    """Return the mean entropy of the rows, 0 for a hard assignment."""
    return -torch.special.xlogy(assignment, assignment).sum(-1).mean(-1)


@dataclass(frozen=True)
class Search:
    """Hard assignments judged by their error on held-out samples and the sizes of their groups."""

    train: Quadratic
    val: Quadratic
    strength: float

    def cost(self, labels: Tensor, groups: int) -> Tensor:
        """Return the cost of each labelling, (..., K)."""
        assignment = one_hot(labels, groups).double()
        weights = (assignment @ self.train.fit(assignment).unsqueeze(-1)).squeeze(-1)
        return self.val.loss(weights) + self.strength * size_norm(assignment)

    def polish(self, labels: Tensor, groups: int) -> Tensor:
        """Return the labels after the best moves of one weight and mergers of two groups, in turn.

        Ends where none of them lowers the cost.
        """
        cost = self.cost(labels, groups)
        while True:
            candidates = torch.cat([_moves(labels, groups), _mergers(labels, groups)])
            costs = self.cost(candidates, groups)
            if costs.min() >= cost - 1e-12:
                return labels
            labels, cost = candidates[costs.argmin()], costs.min()


def _moves(labels: Tensor, groups: int) -> Tensor:
    """Return every labelling that differs in the group of one weight: (K groups, K)."""
    count = len(labels)
    moved = labels.repeat(count, groups, 1)  # (K, groups, K)
    places = torch.arange(count)
    moved[places, :, places] = torch.arange(groups)
    return moved.flatten(0, 1)


def _mergers(labels: Tensor, groups: int) -> Tensor:
    """Return every labelling in which one group has joined another."""
    first, second = torch.triu_indices(groups, groups, 1)
    joined = labels.repeat(len(first), 1)
    return torch.where(joined == second[:, None], first[:, None], joined)

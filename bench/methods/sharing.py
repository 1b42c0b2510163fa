"""Learned parameter sharing: which weights are equal, by bilevel search (Yeh et al. 2022)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from bench import Method, Run, Task
from bench.methods._tying import Quadratic, Search, row_entropy, size_norm
from remul import Batch


def build(task: Task, strength: float = 0.03, restarts: int = 16, polish: bool = True) -> Method:
    """min_A L_val(A psi*(A)) + strength R(A), psi*(A) the least squares of A psi in training.

    A ties each weight to a group: rows of softmax logits from N(0, 0.1), `restarts` of them at
    once, by Adam. R is the sum of column norms (few groups) and, growing over the run, the mean
    row entropy (hard rows). In the last step the rows are hardened, `polish` moves single weights
    and merges groups as long as that lowers the cost, the cheapest restart is kept and its numbers
    are fitted to training and validation samples. For `discovery/tied`, whose lower problem is
    solved in closed form; raises `ValueError` for fewer restarts than 1 and, when training begins,
    for other models.
    """
    if restarts < 1:
        raise ValueError(f"restarts needs to be at least 1, got {restarts}")

    def train(run: Run, task: Task, model: nn.Module) -> Iterator[Tensor]:
        if not hasattr(model, "tie"):
            raise ValueError(f"{run.model.name} has no weights to tie; discovery/tied has")
        search = Search(_quadratic(task.train), _quadratic(task.val), strength)
        groups = len(model.prototypes)
        shape = (restarts, len(model.labels), groups)
        logits = 0.1 * torch.randn(shape, generator=_generator(run), dtype=torch.float64)
        optimiser = torch.optim.Adam([logits.requires_grad_()], lr=run.lr)
        for step in range(1, run.steps + 1):
            loss = _cost(search, logits.softmax(-1), step / run.steps)
            optimiser.zero_grad()
            loss.sum().backward()
            optimiser.step()
            if step == run.steps:
                labels = _harden(search, logits.detach(), polish)
                fitted = _quadratic(task.train, task.val).fit(one_hot(labels, groups).double())
                model.tie(labels, fitted)
            yield loss.detach().min()

    return Method(train=train, constrained=True)


def _cost(search: Search, assignment: Tensor, progress: float) -> Tensor:  # (restarts,)
    weights = (assignment @ search.train.fit(assignment).unsqueeze(-1)).squeeze(-1)
    regulariser = size_norm(assignment) + progress * row_entropy(assignment)
    return search.val.loss(weights) + search.strength * regulariser


def _harden(search: Search, logits: Tensor, polish: bool) -> Tensor:
    """Return the cheapest of the hard labellings that the restarts have come to."""
    groups = logits.shape[-1]
    labels = logits.argmax(-1)  # (restarts, K)
    if polish:
        labels = torch.stack([search.polish(each, groups) for each in labels.unique(dim=0)])
    return labels[search.cost(labels, groups).argmin()]


def _quadratic(*batches: Batch) -> Quadratic:
    """Return the mean squared error over all samples in the weights of a linear map."""
    sides = (
        [next(iter(b.inputs.values())) for b in batches],
        [next(iter(b.targets.values())) for b in batches],
    )
    return Quadratic.of(*(torch.cat(side) for side in sides))


def _generator(run: Run) -> torch.Generator:
    return torch.Generator().manual_seed(run.seed)

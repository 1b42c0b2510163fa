"""Amortised invariance: features for every set of invariances, then the set that a task needs."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from bench import Method, Run, Task
from bench.core.contracts import Sampler
from bench.data.invariances import TRANSLATIONS
from remul import SO3, Batch, Fields, PlanarGroup, Signature, act
from remul.groups import permutations

VERSION = 2
VIEWS = 192
CHOICE_LR = 0.03
FINAL_RATE = 0.01  # share of the learning rate that is left at the last step


def build(
    task: Task,
    share: float = 0.95,
    labelled: int = 60,
    temperature: float = 0.1,
    ridge: float = 0.02,
) -> Method:
    """HyperInvariances (Raj et al. 2022) for `discovery/hyper`, in two phases.

    A `share` of the steps trains the hyper-network by contrast (InfoNCE): for a corner i of the
    cube of descriptors, two views of one sample that differ by an element of each family of
    transformations switched on in i are to be more alike than others. The rest descends, for each
    output and with the hyper-network held fixed, in the descriptor alone: on the leave-one-out
    error of a linear head that is fitted in closed form to the first `labelled` training samples,
    with `ridge`. It starts at the corner of most invariances among those whose error is within a
    standard error of the lowest (Breiman et al. 1984). Heads on the corners are fitted beside.
    Families are the rotations of each planar field, or of clouds of points the rotations,
    translations and permutations. Raises `ValueError` for options out of their range and, when
    training begins, for other models and too few steps for two phases.
    """
    if not (0 < share < 1 and labelled > 0 and temperature > 0 and ridge >= 0):
        given = f"{share=}, {labelled=}, {temperature=}, {ridge=}"
        raise ValueError(f"share is between 0 and 1, the others are positive, got {given}")
    families = list_families(task.signature)

    def train(run: Run, task: Task, model: nn.Module) -> Iterator[Tensor]:
        if not hasattr(model, "descriptor") or len(families) != model.descriptor.shape[1]:
            raise ValueError(f"amortise trains discovery/hyper with {len(families)} families")
        generator = Generator().manual_seed(run.seed)
        contrast = partial(_contrast, families, task, model, temperature, generator)
        few = task.train[:labelled]
        choose = partial(_choose, model, few, ridge)
        first = round(share * run.steps)
        if not 0 < first < run.steps:
            raise ValueError(f"{run.steps} steps leave none for a phase, with a share of {share}")
        yield from _descend(contrast, [*model.hyper.parameters()], run.lr, first)
        _place(model, few, ridge)
        yield from _descend(choose, [model.descriptor], CHOICE_LR, run.steps - first)

    return Method(train=train, constrained=True)


def list_families(signature: Signature) -> list[Sampler]:
    """Return the transformations that may or may not matter to fields of these types."""
    spaces = {rep.space: rep.dim for rep in signature.inputs.values() if rep.space}
    if spaces:
        resting = {space: (0,) * dim for space, dim in spaces.items()}
        return [PlanarGroup(resting | {space: (1,)}) for space in spaces]
    return [SO3, TRANSLATIONS, permutations]


def _descend(
    loss: Callable[[], Tensor], weights: list[Tensor], lr: float, steps: int
) -> Iterator[Tensor]:
    """Yield the loss of each step of Adam on some weights alone, at rates that fall."""
    optimiser = torch.optim.Adam(weights, lr=lr)
    decay = torch.optim.lr_scheduler.ExponentialLR(optimiser, FINAL_RATE ** (1 / max(steps, 1)))
    for _ in range(steps):
        value = loss()
        for weight, slope in zip(weights, torch.autograd.grad(value, weights), strict=True):
            weight.grad = slope
        optimiser.step()
        decay.step()
        yield value.detach()


def _contrast(
    families: list[Sampler], task: Task, model: nn.Module, temperature: float, generator: Generator
) -> Tensor:
    """Return InfoNCE of two views of some samples, for a random corner."""
    inputs = task.train.inputs
    drawn = torch.randint(len(task.train), (VIEWS,), generator=generator)
    samples = {name: x[drawn] for name, x in inputs.items()}
    corner = model.corners[torch.randint(len(model.corners), (), generator=generator)]
    views = [_view(families, corner, samples, task.signature, generator) for _ in range(2)]
    first, second = (model.features(model.join(view), corner) for view in views)
    return cross_entropy(first @ second.mT / temperature, torch.arange(VIEWS))


def _view(
    families: list[Sampler],
    corner: Tensor,
    samples: Fields,
    signature: Signature,
    generator: Generator,
) -> Fields:
    for family, on in zip(families, corner, strict=True):
        if on:
            samples = act(family.sample(samples, generator), samples, signature.inputs)
    return samples


@torch.no_grad()
def _place(model: nn.Module, data: Batch, ridge: float) -> None:
    x = model.join(data.inputs)
    for place, name in enumerate(model.heads):
        target = data.targets[name]
        fits = [fit_head(model.features(x, corner), target, ridge) for corner in model.corners]
        errors = torch.stack([error for _, error in fits])  # (corners, samples)
        model.descriptor[place] = choose_corner(model.corners, errors)


def choose_corner(corners: Tensor, errors: Tensor) -> Tensor:
    """Return the corner of most invariances that errors (corners, samples) do not speak against.

    They do where their mean is more than a standard error above the lowest. Few labels do not tell
    features that leave out what does not matter from richer ones; and between corners, where no
    features were trained, errors say little of the corners.
    """
    means = errors.mean(-1)
    lowest = errors[means.argmin()]
    within = means <= lowest.mean() + lowest.std() / len(lowest) ** 0.5
    most = corners.sum(-1).where(within, -1)
    return corners[means.where(most == most.max(), torch.inf).argmin()]


def _choose(model: nn.Module, data: Batch, ridge: float) -> Tensor:
    """Return the leave-one-out error of the learned descriptors, having fitted all heads."""
    x, total = model.join(data.inputs), torch.zeros(())
    for name, target in data.targets.items():
        for which, descriptor in enumerate(model.descriptors(name)):
            head, error = fit_head(model.features(x, descriptor), target, ridge)
            model.heads[name].data[which] = head.detach()
            total = total + error.mean() if which == 0 else total
    return total


def fit_head(features: Tensor, target: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """Return the weights and offset of ridge regression, (features + 1, classes), and its errors.

    The mean squared error on each sample of the fit to all others: its residual over 1 - leverage.
    """
    x = torch.cat([features, torch.ones_like(features[:, :1])], -1)
    normal = x.mT @ x + ridge * torch.eye(x.shape[1])
    solved = torch.linalg.solve(normal, x.mT)  # (features + 1, samples)
    leverage = (x * solved.mT).sum(-1, keepdim=True)
    head = solved @ target
    return head, ((x @ head - target) / (1 - leverage)).square().mean(-1)

"""Tasks made in one pose and seen in others: nearly that pose in training, any pose in "ood"."""

from collections.abc import Callable, Mapping

import torch
from torch import Generator
from torch.nn.functional import mse_loss

from bench.core.contracts import Task
from remul import Batch, Element, Rep, Signature, act, rotations_by_angle
from remul.fields import INDICES

Draw = Callable[[int, Generator], Batch]


def make_posed_task(
    draw: Draw,
    signature: Signature,
    seed: int,
    sizes: Mapping[str, int],
    turn_deg: float,
    ood_deg: tuple[float, float],
) -> Task:
    """Return the task whose samples `draw(size, generator)` gives in float64, all in one pose.

    They are turned by an angle uniform in [0, turn_deg] degrees about a random axis, in the split
    "ood" by one in `ood_deg`, and made float32. Raises `ValueError` for sizes below 1 and angles
    outside [0, 180].
    """
    if min(sizes.values()) < 1:
        raise ValueError(f"sizes have to be at least 1, got {sizes}")
    angles_deg = dict.fromkeys(sizes, (0.0, turn_deg)) | {"ood": ood_deg}
    generator = Generator().manual_seed(seed)
    splits = {}
    for name, size in sizes.items():
        batch = draw(size, generator)
        g = rotations_by_angle(*angles_deg[name]).sample(batch.inputs, generator)
        splits[name] = turn_batch(g, batch, signature).to(torch.float32)
    more = {"ood": splits.pop("ood")}
    return Task(signature, **splits, distance=mse_loss, more=more)


def turn_batch(g: Element, batch: Batch, signature: Signature) -> Batch:
    """Return the same samples turned, of either form."""
    indices = {name: x for name, x in batch.inputs.items() if name in INDICES}
    targets = act(g, batch.targets | indices, signature.outputs)
    turned = {name: targets[name] for name in batch.targets}
    return Batch(act(g, batch.inputs, signature.inputs), turned, batch.objects)


def draw_from(structures: Batch, signature: Signature) -> Draw:
    """Return a function that draws one of a few structures at a time, its objects in any order."""

    def draw(size: int, generator: Generator) -> Batch:
        which = torch.arange(size) % len(structures)
        batch = structures[which[torch.randperm(size, generator=generator)]]
        n = batch.inputs["position"].shape[1]
        order = torch.rand(size, n, generator=generator).argsort(1)
        inputs = {
            name: _reorder(x, order, signature.inputs[name]) for name, x in batch.inputs.items()
        }
        return Batch(inputs, batch.targets)

    return draw


def _reorder(x: torch.Tensor, order: torch.Tensor, rep: Rep) -> torch.Tensor:
    """Return a field of objects or of their pairs with the objects in another order."""
    for axis in range(1, rep.objects + 1):
        index = order.movedim(1, -1).reshape(
            len(x), *[1] * (axis - 1), -1, *[1] * (x.dim() - axis - 1)
        )
        x = x.gather(axis, index.expand_as(x))
    return x


def bonds(pairs: list[tuple[int, int]], n: int) -> torch.Tensor:
    """Return bonds between objects as a field of pairs, 1 where there is one: (n, n, 1)."""
    adjacency = torch.zeros(n, n, 1, dtype=torch.float64)
    for i, j in pairs:
        adjacency[i, j] = adjacency[j, i] = 1
    return adjacency

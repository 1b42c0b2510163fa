"""A layer with two ways through for clouds of points: an exact one, and a free one beside it."""

import torch
from torch import Tensor, nn

from models.layers.mlp import mlp
from remul.fields import POINT, Fields, Signature


def build(
    signature: Signature,
    objects: int = 4,
    channels: int = 16,
    paths: tuple[str, ...] = ("exact", "free"),
) -> "Cloud":
    """Return x_i + mean_j phi(|x_ij|, s_i, s_j) x_ij + psi(s_i) v_i, plus an MLP of everything.

    The first is exact for E(3) and permutations, the second sees all fields of the `objects` side
    by side, from their mean point. Takes one point, scalars and vectors of objects and gives one
    point; raises `ValueError` for other signatures, and for no paths.
    """
    points = [name for name, rep in signature.inputs.items() if rep.affine]
    simple = all(
        {chunk[1:] for chunk in rep.chunks} in ({(0, 1)}, {(1, -1)}) and rep.objects == 1
        for rep in signature.inputs.values()
    )
    given = [*signature.outputs.values()]
    if [signature.inputs[name] for name in points] != [POINT] or not simple or given != [POINT]:
        raise ValueError("cloud takes one point, scalars and vectors and gives one point")
    if not paths or not {*paths} <= {"exact", "free"}:
        raise ValueError(f"paths are some of exact, free, got {paths}")
    return Cloud(signature, points[0], objects, channels, tuple(paths))


class Cloud(nn.Module):
    def __init__(
        self, signature: Signature, point: str, objects: int, channels: int, paths: tuple[str, ...]
    ) -> None:
        super().__init__()
        types = signature.inputs
        (self.target,), self.point, self.paths = signature.outputs, point, paths
        self.scalars = [name for name, rep in types.items() if rep.chunks[0][1] == 0]
        self.vectors = [name for name, rep in types.items() if name not in (*self.scalars, point)]
        count, ways = (sum(types[n].dim for n in names) for names in (self.scalars, self.vectors))
        if "exact" in paths:
            self.pair = mlp(1 + 2 * count, channels, 1)
            self.own = mlp(count, channels, ways // 3)
        if "free" in paths:
            self.free = mlp(objects * (3 + count + ways), channels, objects * 3)

    def forward(self, inputs: Fields) -> Fields:
        x = inputs[self.point]
        empty = x[..., :0]
        s = torch.cat([empty, *(inputs[name] for name in self.scalars)], -1)
        v = torch.cat([empty, *(inputs[name] for name in self.vectors)], -1)
        parts = [x]
        if "exact" in self.paths:
            parts.append(self.move(x, v, s))
        if "free" in self.paths:
            flat = torch.cat([x - x.mean(1, keepdim=True), v, s], -1).flatten(1)
            parts.append(self.free(flat).view_as(x))
        return {self.target: sum(parts[1:], start=parts[0])}

    def move(self, x: Tensor, v: Tensor, s: Tensor) -> Tensor:
        """Return what the exact path adds to the points."""
        n = x.shape[1]
        apart = x[:, None] - x[:, :, None]  # (batch, i, j, 3), from i to j
        distance = apart.square().sum(-1, keepdim=True).log1p()
        sides = (s[:, :, None].expand(-1, -1, n, -1), s[:, None].expand(-1, n, -1, -1))
        pull = (self.pair(torch.cat([distance, *sides], -1)) * apart).mean(2)
        return pull + (self.own(s)[..., None] * v.unflatten(-1, (-1, 3))).sum(-2)

    def pathways(self) -> dict[str, list[str]]:
        """Return the weights of each path, which share a prior."""
        names = [name for name, _ in self.named_parameters()]
        free = [name for name in names if name.startswith("free")]
        ways = {"exact": [name for name in names if name not in free], "free": free}
        return {way: own for way, own in ways.items() if own}

"""Weights that a hyper-network makes from a descriptor of invariances, and a head for each task."""

from itertools import pairwise, product

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, relu

from models.layers.mlp import mlp
from remul.fields import Fields, Signature

WIDTHS = (64, 64, 32)  # of the features


def build(signature: Signature, families: int = 2, channels: int = 64, objects: int = 1) -> "Hyper":
    """Return features f_h(i)(x) whose weights an MLP h makes of a descriptor i in [0, 1]^families.

    After HyperInvariances (Raj et al. 2022). The fields of the input are taken side by side. Every
    output field has a descriptor of its own, 1/2 at first, and a linear head; another head for each
    corner of the cube is there for comparison. `channels` is the width of h; there are `objects` in
    a sample.
    """
    return Hyper(signature, families, channels, objects)


class Hyper(nn.Module):
    def __init__(self, signature: Signature, families: int, channels: int, objects: int) -> None:
        super().__init__()
        self.signature = signature
        width = sum(rep.dim * objects**rep.objects for rep in signature.inputs.values())
        self.shapes = [*pairwise((width, *WIDTHS))]
        count = sum((a + 1) * b for a, b in self.shapes)
        self.hyper = mlp(families, channels, channels, count)
        self.descriptor = nn.Parameter(torch.full((len(signature.outputs), families), 0.5))
        corners = torch.tensor([*product((0.0, 1.0), repeat=families)])
        self.register_buffer("corners", corners)
        self.heads = nn.ParameterDict(
            {
                name: torch.zeros(1 + len(corners), WIDTHS[-1] + 1, rep.dim)
                for name, rep in signature.outputs.items()
            }
        )

    def forward(self, inputs: Fields) -> Fields:
        x = self.join(inputs)
        return {name: self.answer(x, name, 0) for name in self.heads}

    def join(self, inputs: Fields) -> Tensor:
        """Return all fields of a sample side by side, (batch, width)."""
        return torch.cat([inputs[name].flatten(1) for name in self.signature.inputs], -1)

    def features(self, x: Tensor, descriptor: Tensor) -> Tensor:
        """Return the features of samples (batch, width) for one descriptor, of length 1."""
        numbers, start = self.hyper(descriptor), 0
        for layer, (a, b) in enumerate(self.shapes):
            weight = numbers[start : start + a * b].view(b, a) * (2 / a) ** 0.5
            bias = numbers[start + a * b : start + (a + 1) * b]
            x = (relu(x) if layer else x) @ weight.mT + bias
            start += (a + 1) * b
        return normalize(x, dim=-1)

    def descriptors(self, name: str) -> list[Tensor]:
        """Return the descriptor that an output has learned, and every corner."""
        own = self.descriptor[[*self.heads].index(name)]
        return [own.clamp(0, 1), *self.corners]

    def answer(self, x: Tensor, name: str, which: int) -> Tensor:
        """Return an output by one of its `descriptors`, (batch, classes)."""
        features = self.features(x, self.descriptors(name)[which])
        weight = self.heads[name][which]
        return features @ weight[:-1] + weight[-1]

"""Networks told more of a sample than its fields: a frame, or their components as scalars."""

import torch
from torch import nn

from models.layers.fields import centroid, pack
from models.layers.samples import block_shape, count_samples, from_block
from remul.fields import BATCH, Fields, Rep, Types

POSE, FRAME = "pose", Rep("3x1o", objects=0)
COMPONENTS = "components"


class Posed(nn.Module):
    """A network told a frame, that of the data where the inputs hold no other."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Fields) -> Fields:
        if POSE in inputs:
            return self.network(inputs)
        samples = count_samples(inputs) if BATCH in inputs else block_shape(inputs)[0]
        like = next(x for x in inputs.values() if x.is_floating_point())
        axes = torch.eye(3, dtype=like.dtype, device=like.device).flatten()
        return self.network(inputs | {POSE: axes.expand(samples, -1)})


class Componentwise(nn.Module):
    """A network told the components of its inputs, points from the centroid, as scalars too."""

    def __init__(self, network: nn.Module, types: Types) -> None:
        super().__init__()
        self.network, self.types = network, types

    def forward(self, inputs: Fields) -> Fields:
        components = pack(inputs, self.types, centroid(inputs, self.types))
        return self.network(inputs | {COMPONENTS: from_block(inputs, components)})

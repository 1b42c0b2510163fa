"""Outputs in the units of a task: a network that gives numbers of about 1, times the scales."""

from collections.abc import Mapping

import torch
from torch import nn

from models.layers.conservative import Conservative
from remul.fields import Fields, Signature


class Scaled(nn.Module):
    """A network whose output fields are multiplied by constants, which its state holds.

    One factor for all of a field commutes with rotations, and one for an energy and its forces
    leaves those minus its gradient; there are no shifts, which only invariants could have. Raises
    `ValueError` for scales of other fields, of points, which have no zero, of 0 and below, and for
    a conservative network more than one.
    """

    def __init__(
        self, network: nn.Module, signature: Signature, scales: Mapping[str, float]
    ) -> None:
        super().__init__()
        _check(network, signature, scales)
        self.network, self.names = network, [*scales]
        self.register_buffer("scales", torch.tensor([*scales.values()]))

    def forward(self, inputs: Fields) -> Fields:
        outputs = self.network(inputs)
        scaled = zip(self.names, self.scales, strict=True)
        return outputs | {name: outputs[name] * scale for name, scale in scaled}


def _check(network: nn.Module, signature: Signature, scales: Mapping[str, float]) -> None:
    for name, scale in scales.items():
        rep = signature.outputs.get(name)
        if rep is None or rep.affine or not scale > 0:
            raise ValueError(
                f"a scale is above 0, of an output that is no point; {name!r}: {scale}"
            )
    given = {scales.get(name, 1) for name in signature.outputs}
    if isinstance(network, Conservative) and len(given) > 1:
        raise ValueError(f"an energy and its gradient have one scale, got {dict(scales)}")

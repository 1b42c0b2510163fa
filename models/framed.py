"""A plain Transformer in local frames, which make it exact for SE(3), augmented or plain.

Learned frames turn with what they see, so what an object sees in its own frame does not turn at
all; one random frame for a sample is augmentation; and in the data's own axes it is `transformer`.
"""

import torch
from torch import Tensor, nn

from models.layers.blocks import Block, attention_bias
from models.layers.fields import (
    centroid,
    check_outputs,
    count_pair_scalars,
    feature_fields,
    pack,
    pair_width,
    refuse_cell,
    split_irreps,
    unpack,
    width,
)
from models.layers.lengths import log_squared_length, smooth_length
from models.layers.mlp import mlp
from models.layers.padding import call_padded
from models.layers.samples import mean_around
from remul.actions import wigner
from remul.fields import MASK, Fields, Signature, Types
from remul.rotations import draw_haar

EQUIVARIANT = {"frames": {"learned": "SE3"}}
PAPER = {"channels": 128, "layers": 8, "heads": 8}
KINDS = ("learned", "random", "identity")
AXES, POOLED, HIDDEN = 2, 2, 32
SHORT = 1e-2  # what tells a direction from rounding errors, in float32 too
LEAST = 1e-6  # mean length of vectors: of no real objects it is none


def build(
    signature: Signature,
    channels: int = 128,
    layers: int = 4,
    heads: int = 4,
    frames: str = "learned",
) -> "Framed":
    """Return `transformer` in local frames, as LLoCa (Spinner et al. 2025) has it.

    Features are what an object sees in its frame. Half of a head's channels are vectors: queries,
    keys and values go to common axes, meet there and come back, which costs nothing that grows with
    the pairs. Frames are `learned`, orthonormal axes of two vectors, sums of an object's own and of
    means over all, each times a function of lengths and scalars; or `random`, one for each sample
    in training and none in evaluation; or the `identity`, which gives the numbers of `transformer`
    to the bit. Where an object sees no two directions axes shrink to nothing: what is along them is
    lost, and equivariance is not. Takes any irreps of objects and of the sample, of pairs 0e where
    frames are learned; fields are (batch, n, dim), ragged ones are padded inside. Raises
    `ValueError` for fields that turn where no vector or point makes frames, for other frames, and
    as `transformer` does.
    """
    if heads < 1 or channels % heads:
        raise ValueError(f"heads must divide channels, got {heads} heads, {channels} channels")
    if frames not in KINDS:
        raise ValueError(f"frames are {', '.join(KINDS)}, got {frames!r}")
    return Framed(signature, channels, layers, heads, frames)


class Framed(nn.Module):
    def __init__(
        self, signature: Signature, channels: int, depth: int, heads: int, frames: str
    ) -> None:
        super().__init__()
        self.signature, self.random = signature, frames == "random"
        check_outputs(signature, "framed")
        refuse_cell(signature, "framed")
        learned = frames == "learned" and _has_frames(signature)
        turning = learned or self.random
        count = count_pair_scalars(signature.inputs, "framed") if turning else 0
        attributes = count or pair_width(signature.inputs)
        self.bias = nn.Linear(attributes, heads, bias=False) if attributes else None
        self.embed = nn.Linear(width(signature.inputs), channels)
        self.blocks = nn.ModuleList(Block(channels, heads) for _ in range(depth))
        self.readout = nn.Linear(channels, width(signature.outputs))
        self.frames = Frames(signature.inputs) if learned else None

    def forward(self, inputs: Fields) -> Fields:
        return call_padded(self.attend, inputs, self.signature)

    def attend(self, inputs: Fields) -> Fields:
        """Return the outputs of padded samples."""
        types, outputs = self.signature.inputs, self.signature.outputs
        centre = centroid(inputs, types)
        x, bias = pack(inputs, types, centre), attention_bias(inputs, types, self.bias)
        frames = local = None if self.frames is None else self.frames(inputs, x)
        if self.random and self.training:
            rotation = draw_haar(len(x), torch.default_generator).to(x)
            frames = rotation.unsqueeze(1).expand(-1, x.shape[1], -1, -1)
        x = self.embed(x if frames is None else turn_irreps(x, types, frames))
        for block in self.blocks:
            x = block(x, bias, local)
        y = self.readout(x)
        y = y if frames is None else turn_irreps(y, outputs, frames.mT)
        return unpack(inputs, y, outputs, centre)


class Frames(nn.Module):
    """Axes of each object, of what it and all see: (batch, n, 3 axes, 3)."""

    def __init__(self, types: Types) -> None:
        super().__init__()
        self.types = types
        degrees = [l for l, mul in _list_irreps(types) for _ in range(mul)]
        self.vectors = degrees.count(1)
        self.pooled = nn.Sequential(
            *mlp(len(degrees), HIDDEN, activate_last=True),
            nn.Linear(HIDDEN, POOLED * self.vectors, bias=False),  # the mean of points is zero
        )
        self.mix = mlp(len(degrees), HIDDEN, AXES * (self.vectors + POOLED))

    def forward(self, inputs: Fields, packed: Tensor) -> Tensor:
        parts = [
            (l, part.unflatten(-1, (mul, 2 * l + 1)))
            for part, mul, l, _ in split_irreps(packed, self.types)
        ]
        invariants = [log_squared_length(x, keepdim=False) if l else x.flatten(2) for l, x in parts]
        h, v = torch.cat(invariants, -1), torch.cat([x for l, x in parts if l == 1], 2)
        size = mean_around(inputs, smooth_length(v, keepdim=False))
        size = size.clamp_min(LEAST) if MASK in inputs else size
        v = v / size.unsqueeze(-1)
        pooled = self.pooled(h).unflatten(-1, (POOLED, -1)) @ v  # (batch, n, POOLED, 3)
        pooled = mean_around(inputs, pooled.flatten(2)).unflatten(-1, (POOLED, 3))
        v = torch.cat([v, pooled.expand(-1, v.shape[1], -1, -1)], 2)
        return orthonormalise(self.mix(h).unflatten(-1, (AXES, -1)) @ v)


def orthonormalise(v: Tensor) -> Tensor:
    """Return right-handed axes of two vectors, (..., 2, 3) to (..., 3, 3).

    They shrink where the first is less than `SHORT` long, or the angle between them smaller.
    """
    first, second = shorten(v).unbind(-2)
    second = shorten(second - (first * second).sum(-1, keepdim=True) * first)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -2)


def shorten(v: Tensor) -> Tensor:
    """Return vectors of length 1, less where they were shorter than `SHORT`."""
    return v / (v.square().sum(-1, keepdim=True) + SHORT**2).sqrt()


def turn_irreps(x: Tensor, types: Types, rotations: Tensor) -> Tensor:
    """Return features (batch, n, width) turned, each object's by its own of (batch, n, 3, 3)."""
    degrees = {l for l, _ in _list_irreps(types)}
    blocks = {l: wigner(l, rotations.flatten(0, 1)).unflatten(0, x.shape[:2]) for l in degrees}
    parts = [
        (part.unflatten(-1, (mul, 2 * l + 1)) @ blocks[l].mT).flatten(2) if l else part
        for part, mul, l, _ in split_irreps(x, types)
    ]
    return torch.cat(parts, -1)


def _has_frames(signature: Signature) -> bool:
    """Tell whether there is anything to make frames of; `ValueError` if it is missing."""
    if any(l == 1 for l, _ in _list_irreps(signature.inputs)):
        return True
    for name, rep in (*signature.inputs.items(), *signature.outputs.items()):
        if any(l for _, l, _ in rep.chunks):
            raise ValueError(
                f"framed makes frames of vectors or points; there are none to turn field {name!r}"
            )
    return False


def _list_irreps(types: Types) -> list[tuple[int, int]]:
    """Return degree and multiplicity of each irrep of the features."""
    return [(l, mul) for rep in feature_fields(types).values() for mul, l, _ in rep.chunks]

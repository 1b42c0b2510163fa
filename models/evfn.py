"""Equivariant vector field network: scalars of local frames in, frames out; exact for SE(3).

The second axis of a frame is a cross product, which reflections turn the wrong way: unlike networks
of distances it can tell left from right, and has to learn mirror images one by one.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from models.layers.encoders import Decoder, Encoder, Motion, plan_motions
from models.layers.fields import count_pair_scalars, pack_pairs
from models.layers.lengths import log_squared_length, smooth_length
from models.layers.mlp import linear, mlp, small_init
from models.layers.neighbours import pair_mean_weights
from remul.fields import Fields, Signature

EQUIVARIANT = "SE3"
VERSION = 2
PAPER = {"channels": 64, "layers": 4}


def build(signature: Signature, channels: int = 64, layers: int = 4) -> "EVFN":
    """Return the equivariant vector field network (Du et al. 2022, later ClofNet), means, not sums.

    Every pair has a frame e1 = x_i - x_j, e2 = x_i x x_j, e3 = e1 x e2 about the centroid, each of
    the first two over its length + 1. Scalarization: messages see the vectors of both objects as
    components in it. Vectorization: they move x_i by a mix of its axes; vectors also move their own
    object. Lengths and scalars are the first features; squared distances enter as log(1 + d^2) and
    components as asinh, which keeps wide clouds from blowing up. The coordinates that move are
    those of the first point field; points also count as vectors from the centroid. Takes 0e and 1o;
    fields are (batch, n, dim). Raises `ValueError` for other irreps and for pair fields that are
    not 0e.
    """
    return EVFN(signature, channels, layers)


def build_frames(x: Tensor) -> Tensor:
    """Return the axes e1, e2, e3 of each pair of points (batch, n, 3): (batch, n, n, 3 axes, 3)."""
    x_i, x_j = torch.broadcast_tensors(x[:, :, None], x[:, None])
    e1 = shorten(x_i - x_j)
    e2 = shorten(torch.linalg.cross(x_i, x_j))
    return torch.stack([e1, e2, torch.linalg.cross(e1, e2)], 3)


def shorten(x: Tensor) -> Tensor:
    """Return vectors over their length + 1, smooth at zero."""
    return x / (1 + smooth_length(x))


def scalarize(frames: Tensor, v: Tensor) -> Tensor:
    """Return the components of the vectors (batch, n, k, 3) of i and of j in the frame of i and j.

    Those of i come first: (batch, n, n, 6 k).
    """
    of_i = (frames.flatten(2, 3) @ v.mT).unflatten(2, (-1, 3))  # (batch, n, n, 3 axes, k)
    # The frame of j and i is that of i and j with e1 and e2 reversed, so the components of j's
    # vectors are those of i's, transposed, up to signs.
    reversed_axes, kept_axis = of_i.transpose(1, 2).split([2, 1], 3)
    return torch.cat([of_i.flatten(3), -reversed_axes.flatten(3), kept_axis.flatten(3)], -1)


def pair_invariants(x: Tensor) -> Tensor:
    """Return log(1 + d^2) and a soft cosine as seen from the centroid, (batch, n, n, 2)."""
    squared = log_squared_length(x[:, :, None] - x[:, None], keepdim=False)
    short = shorten(x)
    return torch.stack([squared, short @ short.mT], -1)


class Layer(nn.Module):
    def __init__(self, channels: int, vectors: int, attributes: int, motion: Motion) -> None:
        super().__init__()
        self.motion = motion
        # The first layer of a message is linear, so h_i and h_j pass it before they meet, once per
        # object and not once per pair.
        self.receive, self.send = nn.Linear(channels, channels), nn.Linear(channels, channels)
        invariants = 6 * (vectors + 1) + 2 if motion.apart else 0
        self.pair = linear(invariants + attributes, channels, bias=False)
        self.message = mlp(channels, channels, channels, activate_last=True)
        self.update = mlp(2 * channels, channels, channels)
        self.norm = nn.LayerNorm(channels)
        axes = 3 if motion.apart and motion.moves else 0
        self.axis_weights = small_init(mlp(channels, channels, axes))
        vectors = vectors if motion.moves else 0
        self.velocity_weights = small_init(mlp(channels, channels, vectors))

    def forward(
        self, h: Tensor, x: Tensor, v: Tensor, attributes: list[Tensor], mean_weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        frames = build_frames(x) if self.motion.apart else None
        messages = self.message(silu(self.meet(h, x, v, attributes, frames)))
        if self.motion.moves:
            x = self.move(h, x, v, mean_weights * self.axis_weights(messages), frames)
        aggregated = (mean_weights * messages).sum(2)
        return self.norm(h + self.update(torch.cat([h, aggregated], -1))), x

    def meet(
        self, h: Tensor, x: Tensor, v: Tensor, attributes: list[Tensor], frames: Tensor | None
    ) -> Tensor:
        """Return the first linear layer of the messages, (batch, n, n, channels)."""
        if frames is not None:
            scalars = scalarize(frames, torch.cat([x.unsqueeze(2), v], 2)).asinh()
            attributes = [scalars, pair_invariants(x), *attributes]
        hidden = self.pair(torch.cat(attributes, -1)) if attributes else 0
        return hidden + self.receive(h)[:, :, None] + self.send(h)[:, None]

    def move(self, h: Tensor, x: Tensor, v: Tensor, mix: Tensor, frames: Tensor | None) -> Tensor:
        """Return x moved by the mixes of axes, (batch, n, n, 3), and by the object's vectors."""
        if frames is not None:  # vectorization, one product over j and the axes
            # (batch, n, 1, 3 n) and (batch, n, 3 n, 3)
            x = x + (mix.flatten(2).unsqueeze(2) @ frames.flatten(2, 3)).squeeze(2)
        return x + (self.velocity_weights(h).unsqueeze(-1) * v).sum(2)


class EVFN(nn.Module):
    def __init__(self, signature: Signature, channels: int, depth: int) -> None:
        super().__init__()
        self.types = signature.inputs
        self.encoder = Encoder(signature, channels, "evfn")
        vectors, attributes = self.encoder.vectors, count_pair_scalars(signature.inputs, "evfn")
        motions = plan_motions(signature, depth, "evfn")
        self.layers = nn.ModuleList(
            Layer(channels, vectors, attributes, motion) for motion in motions
        )
        self.decoder = Decoder(signature, channels, any(m.moves for m in motions), "evfn")

    def forward(self, inputs: Fields) -> Fields:
        h, start, v = self.encoder(inputs)
        pair_features = pack_pairs(inputs, self.types)
        attributes = [] if pair_features is None else [pair_features]
        x, mean_weights = start, pair_mean_weights(inputs, start)
        for layer in self.layers:
            h, x = layer(h, x, v, attributes, mean_weights)
        return self.decoder(inputs, h, x - start, v)

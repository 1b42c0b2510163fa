"""EGNN over several times at once, which a Fourier transform of time mixes; exact for E(3)."""

from math import pi

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from models.layers.edges import Edges
from models.layers.encoders import Decoder, Encoder, plan_motions
from models.layers.fields import count_pair_scalars
from models.layers.moving_messages import MovingMessages
from models.layers.neighbours import Reach, find_edges, limit_reach
from remul.fields import Fields, Signature

EQUIVARIANT = True
PAPER = {"channels": 64, "layers": 4, "times": 8, "modes": 2}


def build(
    signature: Signature,
    channels: int = 64,
    layers: int = 4,
    times: int = 8,
    modes: int = 2,
    neighbours: int | None = None,
    cutoff: float | None = None,
) -> "EGNO":
    """Return the equivariant graph neural operator (Xu et al. 2024), read at its last time.

    The input stands at each of the `times`, with a learned feature of the time. Before each layer
    of `egnn`, which sees every time by itself, the lowest `modes` of features over time are mixed,
    and those of displacements, by a number for each: that commutes with rotations. Means, not sums;
    what the last layer would do at other times than the last is left out. The senders of an object
    are all others, its nearest `neighbours`, or those within the `cutoff`, towards which they fade
    out; in a cell, where points are no features, images too. Takes 0e and 1o, of pairs 0e; fields
    are (batch, n, dim). Raises `ValueError` for other irreps, for modes that so many times do not
    tell apart, and without a layer.
    """
    if layers < 1:
        raise ValueError(f"egno needs at least one layer, got {layers}")
    if not 1 <= modes <= (times + 1) // 2:
        raise ValueError(
            f"egno tells at most {(times + 1) // 2} modes of {times} times, not {modes}"
        )
    reach = limit_reach(signature, neighbours, cutoff, "egno")
    return EGNO(signature, channels, layers, times, modes, reach)


class TemporalConvolution(nn.Module):
    """A convolution over a period of so many times, of its lowest modes alone."""

    def __init__(self, channels: int, times: int, modes: int) -> None:
        super().__init__()
        middles = torch.arange(times, dtype=torch.float64) + 0.5
        angles = 2 * pi / times * torch.arange(modes).double().outer(middles)
        waves = torch.cat([angles.cos(), angles[1:].sin()])  # (2 modes - 1, times)
        scales = 2**0.5 * waves.norm(dim=1, keepdim=True)  # half of what comes goes on
        self.register_buffer("waves", waves / scales, persistent=False)
        self.modes = modes
        self.even = nn.Parameter(torch.randn(modes, channels, channels) / channels**0.5)
        self.odd = nn.Parameter(torch.randn(modes - 1, channels, channels) / channels**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Return x, (times, ..., channels), convolved."""
        waves = self.waves.to(x)
        rows = x.flatten(1, -2)  # (times, objects, channels)
        cosines, sines = (
            (waves @ rows.flatten(1))
            .unflatten(1, rows.shape[1:])
            .split([self.modes, self.modes - 1])
        )
        shifted = torch.cat([torch.zeros_like(cosines[:1]), sines @ self.odd])
        mixed = torch.cat(
            [cosines @ self.even - shifted, sines @ self.even[1:] + cosines[1:] @ self.odd]
        )
        return (waves.mT @ mixed.flatten(1)).view_as(x)


class Layer(nn.Module):
    """Features and moves mixed over time, then a layer of EGNN at each time."""

    def __init__(
        self, channels: int, times: int, modes: int, moved: bool, layer: nn.Module
    ) -> None:
        super().__init__()
        self.features = TemporalConvolution(channels, times, modes)
        self.moves = TemporalConvolution(1, times, modes) if moved else None
        self.layer = layer

    def mix(self, h: Tensor, moves: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (times, batch, n, channels) and moves (times, batch, n, 3) mixed."""
        h = h + silu(self.features(h))
        if self.moves is not None:
            moves = moves + self.moves(moves.unsqueeze(-1)).squeeze(-1)
        return h, moves

    def forward(
        self, h: Tensor, moves: Tensor, start: Tensor, v: Tensor, edges: Edges
    ) -> tuple[Tensor, Tensor]:
        """Return features and moves after the layer of EGNN, given where points start."""
        times = len(h)
        starts, vectors = start.repeat(times, 1, 1), v.repeat(times, 1, 1, 1)
        of_all, x = self.layer(h.flatten(0, 1), starts + moves.flatten(0, 1), vectors, edges)
        return of_all.view_as(h), (x - starts).view_as(moves)


class EGNO(nn.Module):
    def __init__(
        self, signature: Signature, channels: int, depth: int, times: int, modes: int, reach: Reach
    ) -> None:
        super().__init__()
        self.types, self.reach, self.times = signature.inputs, reach, times
        self.encoder = Encoder(signature, channels, "egno")
        vectors, attributes = self.encoder.vectors, count_pair_scalars(signature.inputs, "egno")
        motions = plan_motions(signature, depth, "egno")
        moved = [False, *[motion.moves for motion in motions[:-1]]]
        self.time = nn.Parameter(torch.randn(times, 1, 1, channels))
        self.layers = nn.ModuleList(
            Layer(channels, times, modes, *parts)
            for parts in zip(
                moved,
                [MovingMessages(channels, vectors, attributes, motion) for motion in motions],
                strict=True,
            )
        )
        self.decoder = Decoder(signature, channels, any(m.moves for m in motions), "egno")

    def forward(self, inputs: Fields) -> Fields:
        h, start, v = self.encoder(inputs)
        edges = find_edges(inputs, self.types, start, *self.reach)
        moves = torch.zeros_like(start).expand(self.times, -1, -1, -1)
        h, graph = h + self.time, edges.repeat(self.times)
        for layer in self.layers[:-1]:
            h, moves = layer(*layer.mix(h, moves), start, v, graph)
        last = self.layers[-1]
        h, moves = (x[-1:] for x in last.mix(h, moves))
        h, moves = last(h, moves, start, v, edges)
        return self.decoder(inputs, h[0], moves[0], v)

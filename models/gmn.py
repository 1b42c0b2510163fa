"""EGNN whose objects may be joined by rigid bars, the lengths of which stay; exact for E(3)."""

from torch import Tensor, nn

from models.layers.bars import Bars, Pairs
from models.layers.encoders import Decoder, Encoder, plan_motions
from models.layers.fields import count_pair_scalars, origins
from models.layers.moving_messages import MovingMessages
from models.layers.neighbours import Reach, find_edges, limit_reach
from models.layers.samples import as_block, from_block
from remul.fields import Fields, Signature

EQUIVARIANT = True
PAPER = {"channels": 64, "layers": 4}


def build(
    signature: Signature,
    channels: int = 64,
    layers: int = 4,
    bars: Pairs = (),
    neighbours: int | None = None,
    cutoff: float | None = None,
) -> "GMN":
    """Return the graph mechanics network (Huang et al. 2022) on the layer of `egnn`.

    Each pair of objects in `bars`, given by their places in a sample, keeps its distance: a stick
    is one bar, a hinge two that share an object, and any tree of them is a body. In each layer the
    moves of `egnn` act on bodies of unit masses as accelerations: their centres and the directions
    of their bars move, and places follow by forward kinematics. Output points do so once more;
    output vectors are free. Without bars it is `egnn`. The senders of an object are all others, its
    nearest `neighbours`, or those within the `cutoff`, towards which they fade out; in a cell,
    where points are no features, images too. Takes 0e and 1o, of pairs 0e; fields are (batch, n,
    dim). Raises `ValueError` for other irreps, for bars that are no pairs or close a ring, for bars
    in a cell or between objects that are not one point, and in the forward pass for samples that
    lack an object on a bar.
    """
    reach = limit_reach(signature, neighbours, cutoff, "gmn")
    return GMN(signature, channels, layers, bars, reach)


class GMN(nn.Module):
    def __init__(
        self, signature: Signature, channels: int, depth: int, bars: Pairs, reach: Reach
    ) -> None:
        super().__init__()
        self.signature, self.reach = signature, reach
        self.bars = Bars(bars, signature, "gmn") if bars else None
        self.encoder = Encoder(signature, channels, "gmn")
        vectors, attributes = self.encoder.vectors, count_pair_scalars(signature.inputs, "gmn")
        motions = plan_motions(signature, depth, "gmn")
        self.layers = nn.ModuleList(
            MovingMessages(channels, vectors, attributes, motion) for motion in motions
        )
        self.decoder = Decoder(signature, channels, any(m.moves for m in motions), "gmn")

    def forward(self, inputs: Fields) -> Fields:
        h, start, v = self.encoder(inputs)
        x, edges = start, find_edges(inputs, self.signature.inputs, start, *self.reach)
        rows = None if self.bars is None else self.bars.find(inputs, x)
        for layer in self.layers:
            h, free = layer(h, x, v, edges)
            x = self.move(x, free, rows)
        outputs = self.decoder(inputs, h, x - start, v)
        return outputs if rows is None else self.hold(inputs, outputs, x - start, rows)

    def move(self, x: Tensor, free: Tensor, rows: Tensor | None) -> Tensor:
        """Return where objects at x go that would go to `free` if none were on a bar."""
        return free if self.bars is None else self.bars(x, free, rows)

    def hold(self, inputs: Fields, outputs: Fields, moves: Tensor, rows: Tensor) -> Fields:
        """Return the outputs with points that go on from where they are after `moves` as bodies."""
        points = {}
        for name, start in origins(inputs, self.signature).items():
            if self.signature.outputs[name].objects:
                free = as_block(inputs, outputs[name])
                points[name] = from_block(inputs, self.move(start + moves, free, rows))
        return outputs | points

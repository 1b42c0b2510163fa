"""EquiLLM: a frozen language model reads invariants between two EGNN parts; exact for E(3)."""

import torch
from torch import Tensor, nn

from models.layers.edges import Edges
from models.layers.encoders import Decoder, Encoder, plan_motions
from models.layers.fields import count_pair_scalars, pack, refuse_cell, width
from models.layers.language import (
    CHARACTERS,
    LanguageModel,
    LocalLanguageModel,
    RandomLanguageModel,
    spell,
)
from models.layers.mlp import scale_weights
from models.layers.moving_messages import MovingMessages
from models.layers.neighbours import find_edges
from models.layers.padding import call_padded
from models.layers.samples import mean_objects
from remul.fields import MASK, Fields, Signature

EQUIVARIANT = {"reads": {"features": True, "nothing": True}}
READS = ("features", "coordinates", "nothing")


def build(
    signature: Signature,
    channels: int = 64,
    layers: int = 2,
    reads: str = "features",
    checkpoint: str | None = None,
) -> "EquiLLM":
    """Return EquiLLM (Li et al. 2025) with EGNN as encoder: encoder, language model, adapter.

    The language model reads a prompt (the names of the fields, three-digit statistics of the
    sample) and a vector for each object, and is frozen: GPT-2 as initialised, of which no gain is
    to be expected, or a `checkpoint` folder of `transformers`. What comes out is added to the
    features, and one EGNN layer turns them into space. It `reads` invariant `features`; raw
    `coordinates`, which break the symmetry; or `nothing`, without a language model. Unlike in the
    paper all objects have one place in the text, so that their order has no effect. Takes 0e and
    1o, of pairs 0e; fields are (batch, n, dim), ragged ones are padded inside. Raises `ValueError`
    for other irreps, a cell, and another `reads`.
    """
    if reads not in READS:
        raise ValueError(f"equillm reads {', '.join(READS)}; got {reads!r}")
    language = None
    if reads != "nothing":
        language = LocalLanguageModel(checkpoint) if checkpoint else RandomLanguageModel()
    return EquiLLM(signature, channels, layers, language, reads == "coordinates")


class Reader(nn.Module):
    """What a frozen language model makes of a sample: (batch, n, channels) for its objects."""

    def __init__(
        self, signature: Signature, channels: int, language: LanguageModel, coordinates: bool
    ) -> None:
        super().__init__()
        self.types, self.language, self.coordinates = signature.inputs, language, coordinates
        fields = width(signature.inputs) if coordinates else 0
        self.project = nn.Linear(channels + fields, language.width)
        self.back = scale_weights(nn.Linear(language.width, channels), 1e-2)
        self.register_buffer("prefix", torch.tensor(language.tokenise(describe(signature))))
        characters = [language.tokenise(character)[0] for character in CHARACTERS]
        self.register_buffer("characters", torch.tensor(characters))

    def forward(self, inputs: Fields, h: Tensor, x: Tensor, v: Tensor) -> Tensor:
        if self.coordinates:
            h = torch.cat([h, pack(inputs, self.types, torch.zeros_like(x[:, :1]))], -1)
        text = self.characters[spell(self.measure(inputs, x, v))]
        real = inputs[MASK].squeeze(-1).bool() if MASK in inputs else None
        return self.back(self.language.read(self.prefix, text, self.project(h), real))

    def measure(self, inputs: Fields, x: Tensor, v: Tensor) -> Tensor:
        """Return the mean distance from the centre and mean lengths of vectors: (batch, 1 + k)."""
        with torch.no_grad():
            lengths = torch.cat([x.norm(dim=-1, keepdim=True), v.norm(dim=-1)], -1)
            return mean_objects(inputs, lengths)


def describe(signature: Signature) -> str:
    """Return the prompt in front of the numbers."""
    fields, outputs = (", ".join(sorted(side)) for side in (signature.inputs, signature.outputs))
    return (
        f"Objects in space have {fields}. Predict their {outputs}. Numbers of this sample: mean "
        "distance from the centre, mean lengths of vectors. "
    )


class EquiLLM(nn.Module):
    def __init__(
        self,
        signature: Signature,
        channels: int,
        depth: int,
        language: LanguageModel | None,
        coordinates: bool,
    ) -> None:
        super().__init__()
        refuse_cell(signature, "equillm")
        self.signature = signature
        self.encoder = Encoder(signature, channels, "equillm")
        attributes = count_pair_scalars(signature.inputs, "equillm")
        motions = plan_motions(signature, depth + 1, "equillm")
        self.layers = nn.ModuleList(
            MovingMessages(channels, self.encoder.vectors, attributes, motion) for motion in motions
        )
        self.reader = Reader(signature, channels, language, coordinates) if language else None
        moves = any(motion.moves for motion in motions)
        self.decoder = Decoder(signature, channels, moves, "equillm")

    def forward(self, inputs: Fields) -> Fields:
        return call_padded(self.predict, inputs, self.signature)

    def predict(self, inputs: Fields) -> Fields:
        """Return the outputs of padded samples."""
        h, start, v = self.encoder(inputs)
        edges = find_edges(inputs, self.signature.inputs, start, None, None)
        h, x = self.encode(h, start, v, edges)
        if self.reader:
            h = h + self.reader(inputs, h, start, v)
        h, x = self.layers[-1](h, x, v, edges)
        return self.decoder(inputs, h, x - start, v)

    def encode(self, h: Tensor, x: Tensor, v: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        """Return the features and places of the encoder, all layers but the adapter."""
        for layer in self.layers[:-1]:
            h, x = layer(h, x, v, edges)
        return h, x

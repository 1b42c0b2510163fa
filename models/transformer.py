"""Transformer over objects, unconstrained: pre-LayerNorm, fused attention, no positions code."""

from torch import Tensor, nn
from torch.nn.functional import layer_norm, scaled_dot_product_attention

from models._fields import centroid, pack, unpack, width
from remul.fields import MASK, Fields, Signature


def build(
    signature: Signature, channels: int = 128, layers: int = 4, heads: int = 4
) -> "Transformer":
    """The plain Transformer of REMUL's experiments (there 384 channels, 10 layers, 8 heads).

    Every field is a feature of its object, points relative to the centroid, so the network commutes
    with translations and permutations but not with rotations. MLP ratio 2, GELU, LayerNorms
    without parameters, no dropout. Takes any irreps; fields are (batch, n, dim). Raises
    `ValueError` if `heads` does not divide `channels`.
    """
    if channels % heads:
        raise ValueError(f"heads must divide channels, got {heads} heads, {channels} channels")
    return Transformer(signature, channels, layers, heads)


class Block(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(channels, 3 * channels)
        self.from_heads = nn.Linear(channels, channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels)
        )

    def forward(self, x: Tensor, real: Tensor | None) -> Tensor:
        x = x + self.from_heads(self.attend(layer_norm(x, x.shape[-1:]), real))
        return x + self.mlp(layer_norm(x, x.shape[-1:]))

    def attend(self, x: Tensor, real: Tensor | None) -> Tensor:
        qkv = self.to_qkv(x).unflatten(-1, (3, self.heads, -1))  # (batch, n, 3, heads, width)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=real)  # (batch, heads, n, width)
        return mixed.transpose(1, 2).flatten(2)


class Transformer(nn.Module):
    def __init__(self, signature: Signature, channels: int, depth: int, heads: int) -> None:
        super().__init__()
        self.signature = signature
        self.embed = nn.Linear(width(signature.inputs), channels)
        self.blocks = nn.ModuleList(Block(channels, heads) for _ in range(depth))
        self.readout = nn.Linear(channels, width(signature.outputs))

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.signature.inputs)
        x = self.embed(pack(inputs, self.signature.inputs, centre))
        real = _attended(inputs)
        for block in self.blocks:
            x = block(x, real)
        return unpack(inputs, self.readout(x), self.signature.outputs, centre)


def _attended(inputs: Fields) -> Tensor | None:
    return inputs[MASK].bool().mT[:, None] if MASK in inputs else None  # (batch, 1, 1, n)

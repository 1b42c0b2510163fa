"""The block of a Transformer, plain, in local frames or of other linear maps."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from models.layers.attention import attend
from models.layers.fields import pack_pairs
from remul.fields import MASK, Fields, Types


class Block(nn.Module):
    """Attention and an MLP, each of what a LayerNorm without parameters gives, and added to it.

    `linear` makes the maps of its two widths.
    """

    def __init__(
        self, channels: int, heads: int, linear: Callable[[int, int], nn.Module] = nn.Linear
    ) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = linear(channels, 3 * channels)
        self.from_heads = linear(channels, channels)
        self.mlp = nn.Sequential(
            linear(channels, 2 * channels), nn.GELU(), linear(2 * channels, channels)
        )

    def forward(self, x: Tensor, bias: Tensor | None, frames: Tensor | None = None) -> Tensor:
        """Return features (batch, n, width), given in the `frames` of their objects, if any.

        Those are (batch, n, 3 axes, 3); `bias` is what `attend` takes.
        """
        x = x + self.from_heads(self.attend(layer_norm(x, x.shape[-1:]), bias, frames))
        return x + self.mlp(layer_norm(x, x.shape[-1:]))

    def attend(self, x: Tensor, bias: Tensor | None, frames: Tensor | None) -> Tensor:
        by_head = self.to_qkv(x).unflatten(-1, (3 * self.heads, -1))  # (batch, n, 3 heads, width)
        by_head = by_head if frames is None else turn_channels(by_head, frames)
        q, k, v = (part.transpose(1, 2) for part in by_head.chunk(3, 2))
        y = attend(q, k, v, bias).transpose(1, 2)  # (batch, n, heads, width)
        return (y if frames is None else turn_channels(y, frames.mT)).flatten(2)


def turn_channels(x: Tensor, rotations: Tensor) -> Tensor:
    """Return x, (batch, n, heads, width), with its vectors v R, of rotations (batch, n, 3, 3).

    As many channels of a head as fill half of it are vectors, the last ones.
    """
    count = x.shape[-1] // 6
    scalars, vectors = x.split([x.shape[-1] - 3 * count, 3 * count], -1)
    turned = vectors.unflatten(-1, (count, 3)).flatten(2, 3) @ rotations
    return torch.cat([scalars, turned.unflatten(2, (x.shape[2], count)).flatten(3)], -1)


def attention_bias(inputs: Fields, types: Types, linear: nn.Module | None) -> Tensor | None:
    """Return what to add to the logits, (batch, heads, n, n), or the mask of real senders.

    `linear` makes it of the fields of pairs, if there are any.
    """
    real = inputs[MASK].bool().mT[:, None] if MASK in inputs else None  # (batch, 1, 1, n)
    if linear is None:
        return real
    bias = linear(pack_pairs(inputs, types)).permute(0, 3, 1, 2)
    return bias if real is None else torch.where(real, bias, -torch.inf)

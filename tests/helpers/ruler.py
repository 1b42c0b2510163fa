"""The ruler: a plain Transformer in few lines, the unit in which speeds of models are given."""

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

SIZE = 531_587


class Block(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))
        self.to_qkv, self.from_heads = (
            nn.Linear(channels, 3 * channels),
            nn.Linear(channels, channels),
        )
        wide = 2 * channels
        self.mlp = nn.Sequential(nn.Linear(channels, wide), nn.GELU(), nn.Linear(wide, channels))

    def forward(self, x):
        q, k, v = (
            self.to_qkv(self.norms[0](x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )
        x = x + self.from_heads(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.mlp(self.norms[1](x))


class Ruler(nn.Module):
    """Four layers, 128 channels, four heads: charge, position, velocity to force."""

    def __init__(self):
        super().__init__()
        blocks = [Block(128, 4) for _ in range(4)]
        self.net = nn.Sequential(nn.Linear(7, 128), *blocks, nn.LayerNorm(128), nn.Linear(128, 3))

    def forward(self, inputs):
        x = torch.cat([inputs["charge"], inputs["position"], inputs["velocity"]], -1)
        return {"force": self.net(x)}

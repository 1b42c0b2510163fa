"""LLoCa of lloca: a Transformer in learned frames of SO(3), four blocks; all attend to all."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from remul.fields import Fields

PACKAGE = "lloca"
JOB = "vectors"
OURS = {"name": "framed", "kwargs": {"layers": 4, "heads": 4}}


def build(neighbours: int | None, layers: int = 4, heads: int = 4) -> nn.Module:
    """`lloca.backbone.transformer.Transformer` with heads of 16 scalars and 4 four-vectors."""
    return Peer(layers, heads)


class Peer(nn.Module):
    def __init__(self, layers: int, heads: int) -> None:
        from lloca.backbone.transformer import Transformer
        from lloca.equivectors import MLPVectors
        from lloca.framesnet.equi_frames import LearnedSO3Frames
        from lloca.framesnet.frames import InverseFrames
        from lloca.reps.tensorreps import TensorReps
        from lloca.reps.tensorreps_transform import TensorRepsTransform

        super().__init__()
        vectors = partial(MLPVectors, num_scalars=1, hidden_channels=32, num_layers_mlp=2)
        self.frames = LearnedSO3Frames(equivectors=vectors)
        self.inverse = InverseFrames
        self.enter = TensorRepsTransform(TensorReps("1x0n+2x1n"))
        self.leave = TensorRepsTransform(TensorReps("1x1n"))
        reps = "16x0n+4x1n"
        self.net = Transformer(9, reps, 4, layers, heads, mlp_factor=2, preserve_variance=False)

    def forward(self, inputs: Fields) -> Fields:
        x = inputs["position"] - inputs["position"].mean(1, keepdim=True)
        place = torch.cat([(1 + x.square().sum(-1, keepdim=True)).sqrt(), x], -1)
        self.frames.equivectors.init_standardization(place)  # in the first call alone
        frames = self.frames(place, scalars=inputs["charge"])
        seen: Tensor = torch.cat([inputs["charge"], place, pad(inputs["velocity"], (1, 0))], -1)
        out = self.net(self.enter(seen, frames), frames)
        return {"force": self.leave(out, self.inverse(frames))[..., 1:]}

"""Layers with two ways through: a circular convolution, and a free map beside it."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import pad, relu

from remul.fields import Fields, Signature

PATHS = ("conv", "free")


def build(
    signature: Signature,
    channels: int = 2,
    layers: int = 1,
    kernel: int | None = None,
    paths: tuple[str, ...] = PATHS,
) -> "Pathways":
    """Return a residual pathway network of a signal on a ring (van der Ouderaa et al. 2023).

    Each layer adds a circular convolution, of `kernel` places or all of them, and a free linear
    map of all channels and places, or has but one of these `paths`; ReLU between layers. One layer
    without more is a linear map of a signal to a signal. If the output is of another size it is
    probabilities of classes, from the mean over the places: with convolutions alone no shift
    counts. Takes one input and one output of the whole sample; raises `ValueError` for others and
    other paths.
    """
    sides = (signature.inputs, signature.outputs)
    if any(len(side) != 1 or next(iter(side.values())).objects for side in sides):
        raise ValueError("pathways takes one input and one output, each of the whole sample")
    if not paths or not {*paths} <= {*PATHS}:
        raise ValueError(f"paths are some of {', '.join(PATHS)}, got {paths}")
    return Pathways(signature, channels, layers, kernel, tuple(paths))


class Pathways(nn.Module):
    def __init__(
        self,
        signature: Signature,
        channels: int,
        layers: int,
        kernel: int | None,
        paths: tuple[str, ...],
    ) -> None:
        super().__init__()
        ((self.source, rep_in),) = signature.inputs.items()
        ((self.target, rep_out),) = signature.outputs.items()
        self.places, n = rep_in.dim, rep_in.dim
        self.classes = rep_out.dim if rep_out.dim != n else 0
        last = channels if self.classes else 1
        widths = [1, *[channels] * (layers - 1), last]
        self.layers = nn.ModuleList(Layer(a, b, n, kernel or n, paths) for a, b in pairwise(widths))
        self.head = nn.Linear(last, self.classes) if self.classes else None

    def forward(self, inputs: Fields) -> Fields:
        x = inputs[self.source][:, None]  # (batch, channels, places)
        for i, layer in enumerate(self.layers):
            x = layer(relu(x) if i else x)
        if self.head is None:
            return {self.target: x[:, 0]}
        return {self.target: self.head(relu(x).mean(-1)).softmax(-1)}

    def pathways(self) -> dict[str, list[str]]:
        """Return which weights share a prior: those of a path in a layer, and the head's."""
        names = [name for name, _ in self.named_parameters() if "head" not in name]
        ways = {name.removesuffix(".weight"): [name] for name in names}
        if len(self.layers) == 1:
            ways = {name.rpartition(".")[2]: own for name, own in ways.items()}
        if self.head is not None:
            ways["head"] = ["head.weight", "head.bias"]
        return ways


class Layer(nn.Module):
    def __init__(
        self, width_in: int, width_out: int, places: int, kernel: int, paths: tuple[str, ...]
    ) -> None:
        super().__init__()
        self.kernel, self.places = kernel, places
        self.conv = _scaled(width_in * kernel, width_out) if "conv" in paths else None
        self.free = _scaled(width_in * places, width_out * places) if "free" in paths else None

    def forward(self, x: Tensor) -> Tensor:  # (batch, channels, places)
        parts = []
        if self.conv is not None:
            windows = pad(x, (0, self.kernel - 1), mode="circular").unfold(-1, self.kernel, 1)
            parts.append(self.conv(windows.transpose(1, 2).flatten(2)).mT)
        if self.free is not None:
            parts.append(self.free(x.flatten(1)).unflatten(-1, (-1, self.places)))
        return sum(parts[1:], start=parts[0])


def _scaled(width_in: int, width_out: int) -> nn.Linear:
    """Return a linear map whose outputs have the variance of its inputs."""
    layer = nn.Linear(width_in, width_out, bias=False)
    nn.init.normal_(layer.weight, std=width_in**-0.5)
    return layer

"""The error spectrum: over which degrees of SO(3) the violation of a model is spread."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from remul.actions import transform, wigner
from remul.checks import check_inputs, check_signature, predict
from remul.elements import Element
from remul.fields import BATCH, MASK, Fields, Model, Signature, keep_real
from remul.hidden import hidden_features
from remul.layouts import batch_size, join, layout_of
from remul.metrics import flatten
from remul.rotations import EXACT, rotation_about_axis

CHUNK = 128  # rotations that go through the model together


def error_spectrum(
    model: Model, inputs: Fields, signature: Signature, l_max: int
) -> Tensor:  # (batch, l_max + 1)
    """Return the energy of F(g) = rho(g)^-1 f(g x) in the Wigner matrices of each degree.

    F(g) = sum_l (2 l + 1) C_l : D^l(g) with C_l the mean of F D^l over SO(3); the energy is
    (2 l + 1) |C_l|^2. Degree 0 is the exactly equivariant part; a preferred axis shows in low
    degrees, noise in high ones. The energies sum to the mean of |f(g x)|^2 over the group if F has
    no degree above `l_max`; higher ones alias.

    Args:
        model: f, called on (l_max + 1)(2 l_max + 1)^2 rotations of the inputs.
        inputs: x.
        signature: The types of inputs and outputs.
        l_max: The highest degree.

    Returns:
        `(batch, l_max + 1)`, in squared units of the output: in float32 outputs below 1e-22 have
        none, above 1e19 no finite one.

    Raises:
        ValueError: As `equivariance_error`, and for an `l_max` below 0.

    Example:
        >>> energies = error_spectrum(exact, inputs, signature, l_max=1)
        >>> energies[:, 1].max() < 1e-12
        tensor(True)
    """
    _check_degree(l_max)
    check_signature(signature)
    check_inputs(inputs, signature.inputs)
    return _project(lambda g: {"": _pull_back(model, inputs, signature, g)}, l_max)[""]


def feature_spectrum(
    model: nn.Module, inputs: Fields, signature: Signature, l_max: int
) -> dict[str, Tensor]:  # (batch, l_max + 1) each
    """Return over which degrees of SO(3) the hidden features of each layer are spread.

    Features h(g x) have no type, so they are not turned back: degree 0 is what no rotation changes,
    degree 1 turns as vectors do, and so on, by the energies of `error_spectrum`. Which degrees a
    plain network has learned to hold, and where, is read off their shares. Padded objects do not
    count.

    Args:
        model: A network that `hidden_features` reads, called on (l_max + 1)(2 l_max + 1)^2
            rotations of the inputs.
        inputs: x, not ragged.
        signature: The types of inputs and outputs.
        l_max: The highest degree; higher ones alias.

    Returns:
        The energies by layer, `(batch, l_max + 1)` each, in squared units of its features.

    Raises:
        ValueError: As `error_spectrum` and `hidden_features`, and for ragged inputs.

    Example:
        >>> class Net(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layers = torch.nn.ModuleList([torch.nn.Linear(3, 8, False).double()])
        ...
        ...     def forward(self, fields):
        ...         return {"x": layer(fields["x"])[..., :3] for layer in self.layers}
        >>> energies = feature_spectrum(Net(), inputs, signature, l_max=1)["layers.0"]
        >>> energies[:, 0].max() < 1e-12, energies[:, 1].min() > 0.1  # linear: vectors alone
        (tensor(True), tensor(True))
    """
    _check_degree(l_max)
    check_signature(signature)
    check_inputs(inputs, signature.inputs)
    if BATCH in inputs:
        raise ValueError("a spectrum of features needs samples of one shape, these are ragged")

    def look(rotation: Tensor) -> dict[str, Tensor]:
        turned, size = _turn(inputs, signature, rotation)[0], batch_size(inputs)
        features = hidden_features(model, turned)[1]
        real = {name: keep_real(x, turned.get(MASK), 1) for name, x in features.items()}
        return {name: x.flatten(1).unflatten(0, (-1, size)) for name, x in real.items()}

    return _project(look, l_max)


def _check_degree(l_max: int) -> None:
    if not isinstance(l_max, int) or l_max < 0:
        raise ValueError(f"l_max needs to be whole, 0 or more, got {l_max!r}")


def _project(values: Callable[[Tensor], dict[str, Tensor]], l_max: int) -> dict[str, Tensor]:
    """Return the energy by degree of functions of rotations, (chunk, batch, components) each."""
    sums: dict[str, list[Tensor]] = {}
    for rotation, weight in _grid(l_max):
        blocks = [wigner(degree, rotation) for degree in range(l_max + 1)]
        for name, value in values(rotation).items():
            value = value * weight.to(value)[:, None, None]
            total = sums.setdefault(name, [torch.zeros((), **EXACT)] * (l_max + 1))
            with torch.autocast(value.device.type, enabled=False):
                parts = [torch.einsum("gbc,gmn->bcmn", value, d.to(value)) for d in blocks]
            sums[name] = [c + part for c, part in zip(total, parts, strict=True)]
    return {
        name: torch.stack(
            [c.square().sum((1, 2, 3)) * (2 * degree + 1) for degree, c in enumerate(total)], -1
        )
        for name, total in sums.items()
    }


def _grid(l_max: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Return rotations and weights of a mean over SO(3), exact to degree 2 `l_max`, in chunks.

    Angles are those of zyz; a mean over the outer two is one over equal steps.
    """
    turns = torch.arange(2 * l_max + 1, **EXACT) * (2 * torch.pi / (2 * l_max + 1))
    heights, weights = _gauss_legendre(l_max + 1)
    third, tilt, first = (
        x.flatten() for x in torch.meshgrid(turns, heights.acos(), turns, indexing="ij")
    )
    rotations = (
        rotation_about_axis("z", third)
        @ rotation_about_axis("y", tilt)
        @ rotation_about_axis("z", first)
    )
    weights = weights.repeat_interleave(len(turns)).repeat(len(turns)) / len(turns) ** 2
    return zip(rotations.split(CHUNK), weights.split(CHUNK), strict=True)


def _gauss_legendre(count: int) -> tuple[Tensor, Tensor]:
    """Return nodes in (-1, 1) and weights that sum to 1 (Golub and Welsch 1969)."""
    k = torch.arange(1, count, **EXACT)
    off = torch.diag(k / (4 * k * k - 1).sqrt(), 1)
    nodes, vectors = torch.linalg.eigh(off + off.mT)
    return nodes, vectors[0].square()


def _pull_back(model: Model, inputs: Fields, signature: Signature, rotation: Tensor) -> Tensor:
    """Return rho(g)^-1 f(g x) of every sample and rotation, (rotations, batch, components)."""
    (turned, g), types = _turn(inputs, signature, rotation), signature.outputs
    layout, output = layout_of(turned), predict(model, turned, types)
    back = flatten(transform(g.inverse(), output, types, layout), types, layout)
    return back.unflatten(0, (len(rotation), -1))


def _turn(inputs: Fields, signature: Signature, rotation: Tensor) -> tuple[Fields, Element]:
    """Return all samples after one rotation after the other, and what has turned each."""
    tiled = join([inputs] * len(rotation))
    layout = layout_of(tiled)
    size = layout.size // len(rotation)
    g = Element(rotation.repeat_interleave(size, 0), rotation.new_zeros(layout.size, 3))
    return transform(g, tiled, signature.inputs, layout), g

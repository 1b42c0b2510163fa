"""Groups that are no rotations of space: finite ones by matrices, and those of the plane."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import tau

import torch
from torch import Generator, Tensor

from remul.elements import MatrixElement
from remul.fields import Fields
from remul.layouts import batch_size
from remul.rotations import EXACT
from remul.values import check_generator, shape_of

LARGEST, SAME = 1024, 1e-6


@dataclass(frozen=True, eq=False)
class MatrixGroup:
    """A finite group by orthogonal matrices: how each element acts on the fields of each space.

    A field whose type names a space, as `Rep("8x0e", space="ring")`, is a vector of that space:
    a signal on a ring or a grid, or coefficients of any other representation. Generators are given
    for all spaces at once and multiplied together, so what comes out is a group, and what it does
    in each space a representation of it.

    Args:
        generators: By space, as many orthogonal matrices `(d, d)` as there are generators, such as
            those of `cyclic`, `dihedral`, `symmetric`, `shifts` and `quarter_turns`.

    Raises:
        ValueError: For matrices that are not square and orthogonal, spaces with different numbers
            of them, none at all, and if they generate more than 1024 elements.

    Example:
        >>> turns = MatrixGroup({"plane": [torch.tensor([[0.0, -1], [1, 0]])]})
        >>> len(turns.elements())
        4
    """

    generators: Mapping[str, Sequence[Tensor]]

    def __post_init__(self) -> None:
        _check_generators(self.generators)
        len(self)

    @cached_property
    def matrices(self) -> dict[str, Tensor]:
        """How each element acts on each space, (order, d, d), the identity first."""
        return _close({space: list(given) for space, given in self.generators.items()})

    def __len__(self) -> int:
        return len(next(iter(self.matrices.values())))

    def elements(self) -> list[MatrixElement]:
        """Return every element once, the identity first, each a single one for all samples."""
        return [self._pick(torch.tensor([i], device="cpu")) for i in range(len(self))]

    def sample(self, fields: Fields, generator: Generator) -> MatrixElement:
        """Draw one element per sample of `fields`, all equally likely, from `generator`."""
        check_generator(generator)
        size = (batch_size(fields),)
        return self._pick(torch.randint(len(self), size, generator=generator, device="cpu"))

    @cached_property
    def table(self) -> Tensor:
        """The product of each element with each other as a number, (order, order)."""
        rows = _side_by_side(self.matrices)
        products = {s: torch.einsum("iab,jbc->ijac", m, m) for s, m in self.matrices.items()}
        joint = torch.cat([product.flatten(2) for product in products.values()], -1)
        return torch.cdist(joint, rows.expand(len(joint), *rows.shape)).argmin(-1)

    def regular(self) -> Tensor:
        """Return the regular representation: how the group permutes itself from the left.

        Matrices `(order, order, order)`, of functions on the group: (g f)(h) = f(g^-1 h).
        """
        return torch.eye(len(self), **EXACT)[self.table].mT

    def _pick(self, which: Tensor) -> MatrixElement:
        return MatrixElement({space: m[which] for space, m in self.matrices.items()})


@dataclass(frozen=True)
class PlanarGroup:
    """The rotations of the plane, SO(2), or with reflections O(2): how they act on each space.

    A space is a sum of irreps by their frequencies: k > 0 is a pair of components that turns by
    k times the angle, 0 one that does not. A reflection turns the sign of the second of a pair.

    Args:
        frequencies: By space, the frequency of each irrep, 1 for a vector of the plane.
        reflects: Whether half of the elements are reflections.

    Raises:
        ValueError: For frequencies below 0, a space without any, and no space.

    Example:
        >>> so2 = PlanarGroup({"plane": (1,), "stress": (0, 2)})
        >>> so2.rotation(torch.zeros(1)).matrices["stress"].shape
        torch.Size([1, 3, 3])
    """

    frequencies: Mapping[str, Sequence[int]]
    reflects: bool = False

    def __post_init__(self) -> None:
        _check_spaces(self.frequencies)
        for space, numbers in self.frequencies.items():
            listed = isinstance(numbers, Sequence) and numbers
            if not listed or any(not isinstance(k, int) or k < 0 for k in numbers):
                raise ValueError(f"space {space!r} needs whole frequencies from 0, got {numbers}")

    def rotation(self, angle: Tensor) -> MatrixElement:
        """Return the rotations by angles (batch,) in radians, for `lie_derivative` a generator.

        Raises `ValueError` for anything else.
        """
        if len(shape_of(angle)) != 1:
            raise ValueError(f"angles are a tensor (batch,), got {shape_of(angle)}")
        exact = angle.to(torch.float64)[:, None, None]
        generators = {space: _generator(ks) for space, ks in self.frequencies.items()}
        return MatrixElement({s: torch.matrix_exp(exact * x) for s, x in generators.items()})

    def sample(self, fields: Fields, generator: Generator) -> MatrixElement:
        """Draw one element per sample of `fields`, uniform (Haar measure), from `generator`."""
        check_generator(generator)
        size = batch_size(fields)
        g = self.rotation(tau * torch.rand(size, **EXACT, generator=generator))
        if not self.reflects:
            return g
        flips = torch.randint(2, (size, 1), generator=generator, device="cpu").bool()
        signs = {s: torch.where(flips, _mirror(ks), 1.0) for s, ks in self.frequencies.items()}
        return g @ MatrixElement({s: torch.diag_embed(sign) for s, sign in signs.items()})


def _generator(frequencies: Sequence[int]) -> Tensor:
    blocks = [[[0.0, -k], [k, 0.0]] if k else [[0.0]] for k in frequencies]
    return torch.block_diag(*(torch.tensor(block, **EXACT) for block in blocks))


def _mirror(frequencies: Sequence[int]) -> Tensor:
    signs = [sign for k in frequencies for sign in ((1.0, -1.0) if k else (1.0,))]
    return torch.tensor(signs, **EXACT)


def _check_spaces(by_space: object) -> None:
    if not isinstance(by_space, Mapping) or not by_space:
        found = "none" if isinstance(by_space, Mapping) else f"a {type(by_space).__name__}"
        raise ValueError(f"generators or frequencies are given by space, one at least; got {found}")


def _check_generators(generators: Mapping[str, Sequence[Tensor]]) -> None:
    _check_spaces(generators)
    counts = {space: len(given) for space, given in generators.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise ValueError(f"every space needs as many generators, one at least; got {counts}")
    for space, given in generators.items():
        for matrix in given:
            shape = shape_of(matrix)
            if len(shape) != 2 or shape[0] != shape[1] or not _is_orthogonal(matrix):
                raise ValueError(f"a generator of {space!r} is {shape}; it has to be orthogonal")


def _is_orthogonal(matrix: Tensor) -> bool:
    exact = matrix.to(**EXACT)
    return bool((exact @ exact.mT - torch.eye(len(exact), **EXACT)).abs().max() < SAME)


def _close(generators: dict[str, list[Tensor]]) -> dict[str, Tensor]:
    """Return all products of the generators by space, the identity first: (order, d, d)."""
    steps = {space: torch.stack(given).to(**EXACT) for space, given in generators.items()}
    elements = [{s: torch.eye(m.shape[-1], **EXACT) for s, m in steps.items()}]
    known = {_name(elements[0])}
    for element in elements:  # which grows, by every product that is new
        for product in _products(steps, element):
            if (name := _name(product)) not in known:
                known.add(name)
                elements.append(product)
        if len(elements) > LARGEST:
            raise ValueError(f"the generators have more than {LARGEST} products")
    return {space: torch.stack([g[space] for g in elements]) for space in steps}


def _products(
    steps: Mapping[str, Tensor], element: Mapping[str, Tensor]
) -> Iterator[dict[str, Tensor]]:
    for i in range(len(next(iter(steps.values())))):
        yield {space: m[i] @ element[space] for space, m in steps.items()}


def _name(element: Mapping[str, Tensor]) -> bytes:
    """Return the entries without their rounding errors."""
    rounded = [(m / SAME / 10).round().to(torch.int64) for m in element.values()]
    return b"".join(m.numpy().tobytes() for m in rounded)


def _side_by_side(matrices: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([m.flatten(1) for m in matrices.values()], -1)

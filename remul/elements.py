"""Elements of groups: motions of space, and permutations of objects."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from remul.values import holds, send, shape_of


@dataclass(frozen=True, eq=False)
class Element:
    """Elements of E(3), one per sample or a single one for all: x -> R x + t on a point x.

    `g @ h` acts with h first. Both tensors are kept in float64 and cast when they act, so float64
    fields see round-off of 1e-15 only.

    Args:
        rotation: R, `(batch, 3, 3)`, orthogonal; a determinant of -1 is a reflection.
        translation: t, `(batch, 3)`, in the units of the points.

    Raises:
        ValueError: For other shapes.

    Example:
        >>> g = SE3.sample(inputs, generator)
        >>> torch.allclose((g @ g.inverse()).rotation, torch.eye(3).double())
        True
    """

    rotation: Tensor
    translation: Tensor

    def __post_init__(self) -> None:
        shapes = shape_of(self.rotation), shape_of(self.translation)
        if len(shapes[0]) != 3 or shapes != ((shapes[0][0], 3, 3), (shapes[0][0], 3)):
            raise ValueError(
                "an element is a rotation (batch, 3, 3) and a translation (batch, 3), "
                f"of batch 1 if it serves all samples; got {shapes[0]} and {shapes[1]}"
            )
        if {self.rotation.dtype, self.translation.dtype} != {torch.float64}:
            object.__setattr__(self, "rotation", self.rotation.double())
            object.__setattr__(self, "translation", self.translation.double())

    def __matmul__(self, other: "Element") -> "Element":
        if not isinstance(other, Element):
            return NotImplemented
        _check_pair(self, other)
        moved = (self.rotation @ other.translation.unsqueeze(-1)).squeeze(-1)
        return Element(self.rotation @ other.rotation, moved + self.translation)

    def __len__(self) -> int:
        return len(self.rotation)

    def inverse(self) -> "Element":
        """Return the elements that undo these: x -> R^T (x - t)."""
        back = self.rotation.mT
        return Element(back, -(back @ self.translation.unsqueeze(-1)).squeeze(-1))

    def to(self, device: torch.device) -> "Element":
        """Return the same elements on another device, in the precision that they have."""
        if self.rotation.device == device:
            return self
        return Element(send(self.rotation, device), send(self.translation, device))


@dataclass(frozen=True, eq=False)
class Permutation:
    """Permutations of n objects, one per sample or a single one for all samples.

    Fields (batch, n, ..., k) and `mask` are reordered, those whose type has `objects=2`,
    (batch, n, n, ..., k), along both axes of objects, those of the sample, (batch, k), stay;
    `g @ h` acts with h first. Losses and measures read the mask before the action: give them
    permutations that leave padded objects in place, as those of `groups.permutations` do. Of ragged
    samples n is the largest size; a smaller one has its own objects first in its row, the rest in
    place. Edges keep their rows, `edge_index` follows.

    Args:
        order: Whole numbers, `(batch, n)`: object `order[i]` comes to place i.

    Raises:
        ValueError: For another shape, and for rows that are no orders of 0 to n - 1 (on a CPU).

    Example:
        >>> swap = Permutation(torch.tensor([[1, 0]]))
        >>> act(swap, {"charge": torch.tensor([[[5], [7]]])}, {"charge": SCALAR})["charge"].tolist()
        [[[7], [5]]]
    """

    order: Tensor

    def __post_init__(self) -> None:
        shape = shape_of(self.order)
        if len(shape) != 2 or self.order.is_floating_point() or not _are_orders(self.order):
            raise ValueError(
                "a permutation is whole numbers (batch, n), each from 0 to n - 1 once in a row; "
                f"got {shape} of {getattr(self.order, 'dtype', type(self.order).__name__)}"
            )
        if self.order.dtype != torch.int64:  # bytes would index as a mask
            object.__setattr__(self, "order", self.order.long())

    def __matmul__(self, other: "Permutation") -> "Permutation":
        if not isinstance(other, Permutation):
            return NotImplemented
        _check_pair(self, other)
        first, second = torch.broadcast_tensors(other.order, self.order)
        return Permutation(first.gather(1, second))

    def __len__(self) -> int:
        return len(self.order)

    def inverse(self) -> "Permutation":
        """Return the permutations that undo these."""
        return Permutation(self.order.argsort(1))

    def to(self, device: torch.device) -> "Permutation":
        """Return the same permutations on another device."""
        return self if self.order.device == device else Permutation(send(self.order, device))


@dataclass(frozen=True, eq=False)
class MatrixElement:
    """Elements of a group that is no motion, by the matrices with which they act on each space.

    They act on the last axis of the fields whose type names the space; the others stay. `g @ h`
    acts with h first. Matrices are kept in float64 and cast when they act.

    Args:
        matrices: By space, orthogonal matrices `(batch, d, d)`, of batch 1 if they serve all
            samples.

    Raises:
        ValueError: For other shapes, and spaces of different batch sizes.

    Example:
        >>> swap = MatrixElement({"pair": torch.tensor([[[0.0, 1], [1, 0]]])})
        >>> act(swap, {"x": torch.tensor([[5.0, 7]])}, {"x": Rep("2x0e", space="pair")})
        {'x': tensor([[7., 5.]])}
    """

    matrices: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        shapes = {space: shape_of(m) for space, m in self.matrices.items()}
        square = all(len(shape) == 3 and shape[1] == shape[2] for shape in shapes.values())
        if not square or len({shape[0] for shape in shapes.values()}) != 1:
            raise ValueError(
                f"an element is matrices (batch, d, d) by space, all of one batch; got {shapes}"
            )
        if any(m.dtype != torch.float64 for m in self.matrices.values()):
            object.__setattr__(self, "matrices", {s: m.double() for s, m in self.matrices.items()})

    def __matmul__(self, other: "MatrixElement") -> "MatrixElement":
        if not isinstance(other, MatrixElement):
            return NotImplemented
        _check_pair(self, other)
        return MatrixElement(
            {space: m @ other.matrices[space] for space, m in self.matrices.items()}
        )

    def __len__(self) -> int:
        return len(next(iter(self.matrices.values())))

    def inverse(self) -> "MatrixElement":
        """Return the elements that undo these: the transposed matrices."""
        return MatrixElement({space: m.mT for space, m in self.matrices.items()})

    def to(self, device: torch.device) -> "MatrixElement":
        """Return the same elements on another device, in the precision that they have."""
        return MatrixElement({space: send(m, device) for space, m in self.matrices.items()})


GroupElement = Element | Permutation | MatrixElement


def _check_pair(g: GroupElement, h: GroupElement) -> None:
    if len(g) != len(h) and 1 not in (len(g), len(h)):
        raise ValueError(f"elements of {len(g)} and of {len(h)} samples have no product")


def _are_orders(order: Tensor) -> bool:
    """Tell whether each row holds 0 to n - 1, as far as its values are at hand."""
    return not holds(order.sort(1).values != torch.arange(order.shape[1], device=order.device))

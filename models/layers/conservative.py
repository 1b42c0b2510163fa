"""Forces from an energy: any network that gives scalars of objects, differentiated."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.layers.pruning import prune
from models.layers.samples import (
    CELL,
    apply_mask,
    as_block,
    from_block,
    has_cell,
    spread,
    sum_objects,
)
from remul import matrix_to_irreps
from remul.fields import POINT, SCALAR, Fields, Rep, Signature

ENERGY, FORCE, STRESS = Rep("0e", objects=0), Rep("1o"), Rep("0e+2e", objects=0)


class Names(NamedTuple):
    """What the fields are called: the point that is moved, and what comes of it."""

    point: str
    energy: str
    force: str
    stress: str | None


class Conservative(nn.Module):
    """A network whose energy is a sum over objects, and whose forces are minus its gradient.

    The outputs of the signature are an energy of the sample, `Rep("0e", objects=0)`, forces,
    `Rep("1o")`, of its first input point, and in a cell, on demand, the stress,
    `Rep("0e+2e", objects=0)`: the derivative by the strain over the volume, of a slab over its area
    and of a wire over its length. All names are free. All have derivatives of their own where
    gradients are on, so that forces can be trained. Forces that are minus a gradient do no work on
    a closed path, and are exactly equivariant where the energy is invariant. Raises `ValueError`
    for other outputs.
    """

    def __init__(self, build: Callable[[Signature], nn.Module], signature: Signature) -> None:
        super().__init__()
        self.names = name_fields(signature)
        self.network = build(Signature(signature.inputs, {self.names.energy: SCALAR}))

    def forward(self, inputs: Fields) -> Fields:
        trained = torch.is_grad_enabled()
        with torch.inference_mode(False), torch.enable_grad():
            fields = {name: _begin(x) for name, x in inputs.items()}
            outputs = self.differentiate(fields, trained)
        if not trained:
            return {name: x.detach() for name, x in outputs.items()}
        leaves = [x for x in (*fields.values(), *self.network.parameters()) if x.requires_grad]
        return prune(outputs, leaves)

    def differentiate(self, inputs: Fields, trained: bool) -> Fields:
        """Return energy (samples, 1), forces like the point, and the stress (samples, 6)."""
        names, x = self.names, inputs[self.names.point]
        x = x if x.requires_grad else x.detach().requires_grad_()
        moved, variables = inputs | {names.point: x}, [x]
        if names.stress:
            cell = inputs[CELL].unflatten(-1, (3, 3))
            variables.append(torch.zeros_like(cell, requires_grad=True))
            moved = _strain(moved, names.point, variables[1])
        by_object = as_block(inputs, self.network(moved)[names.energy])
        energy = sum_objects(inputs, apply_mask(inputs, by_object))
        slopes = torch.autograd.grad(
            energy.sum(), variables, create_graph=trained, materialize_grads=True
        )
        outputs = {names.energy: energy, names.force: -slopes[0]}
        if names.stress:
            outputs[names.stress] = matrix_to_irreps(slopes[1]) / _measure(cell).unsqueeze(-1)
        return outputs


def name_fields(signature: Signature) -> Names:
    """Return the names of the fields. Raises `ValueError` for a signature without, or with more."""
    points = [name for name, rep in signature.inputs.items() if rep == POINT]
    found = {
        rep: [name for name, kind in signature.outputs.items() if kind == rep]
        for rep in (ENERGY, FORCE, STRESS)
    }
    counts = tuple(map(len, found.values()))
    known = counts == (1, 1, 0) or (counts == (1, 1, 1) and has_cell(signature.inputs))
    if not points or not known or sum(counts) != len(signature.outputs):
        raise ValueError(
            "a conservative network takes a point and gives an energy, Rep('0e', objects=0), "
            "forces, Rep('1o'), and in a cell the stress, Rep('0e+2e', objects=0); the outputs are "
            f"{dict(signature.outputs)}"
        )
    return Names(points[0], found[ENERGY][0], found[FORCE][0], *found[STRESS] or [None])


def _strain(inputs: Fields, point: str, strain: Tensor) -> Fields:
    """Return the inputs with points and cells strained, by (samples, 3, 3), made symmetric."""
    bend = (strain + strain.mT) / 2
    x = as_block(inputs, inputs[point])
    moves = spread(inputs, bend.flatten(1)).unflatten(-1, (3, 3))
    cell = inputs[CELL].unflatten(-1, (3, 3))
    return inputs | {
        point: from_block(inputs, x + (x.unsqueeze(-2) @ moves).squeeze(-2)),
        CELL: (cell + cell @ bend).flatten(1),
    }


def _measure(cell: Tensor) -> Tensor:
    """Return the volume of cells (samples, 3, 3), without rows of zeros the area or the length."""
    absent = ~cell.any(-1)
    spanned = torch.linalg.det(cell @ cell.mT + torch.diag_embed(absent.to(cell)))
    return torch.where(absent.any(-1), spanned.sqrt(), torch.linalg.det(cell).abs())


def _begin(x: Tensor) -> Tensor:
    """Return a tensor of its own in the graph: what one field is made of may be another field.

    One made in inference mode is copied, as it cannot be differentiated.
    """
    return x.clone() if x.is_inference() else x.view_as(x) if x.requires_grad else x

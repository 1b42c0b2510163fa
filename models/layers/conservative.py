"""Forces from an energy: any network that gives scalars of objects, differentiated."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.layers.samples import apply_mask, as_block, sum_objects
from remul.fields import SCALAR, Fields, Rep, Signature

ENERGY, FORCE = Rep("0e", objects=0), Rep("1o")


class Conservative(nn.Module):
    """A network whose energy is a sum over objects, and whose forces are minus its gradient.

    The outputs of the signature are an energy of the sample, `Rep("0e", objects=0)`, and forces,
    `Rep("1o")`, of its first input point; either name is free. Both have derivatives of their own
    where gradients are on, so that forces can be trained. Forces that are minus a gradient do no
    work on a closed path, and are exactly equivariant where the energy is invariant.
    """

    def __init__(self, build: Callable[[Signature], nn.Module], signature: Signature) -> None:
        super().__init__()
        self.energy, self.force, self.point = name_fields(signature)
        self.network = build(Signature(signature.inputs, {self.energy: SCALAR}))

    def forward(self, inputs: Fields) -> Fields:
        differentiable = torch.is_grad_enabled()
        with torch.inference_mode(False), torch.enable_grad():
            fields = {name: _leave_inference(x) for name, x in inputs.items()}
            energy, force = self.differentiate(fields, differentiable)
        if not differentiable:
            energy, force = energy.detach(), force.detach()
        return {self.energy: energy, self.force: force}

    def differentiate(self, inputs: Fields, differentiable: bool) -> tuple[Tensor, Tensor]:
        """Return the energy, (batch, 1), and the forces, (batch, n, 3) or ragged (N, 3)."""
        x = inputs[self.point]
        x = x if x.requires_grad else x.detach().requires_grad_()
        by_object = self.network(inputs | {self.point: x})[self.energy]
        energy = sum_objects(inputs, apply_mask(inputs, as_block(inputs, by_object)))
        (gradient,) = torch.autograd.grad(energy.sum(), x, create_graph=differentiable)
        return energy, -gradient


def name_fields(signature: Signature) -> tuple[str, str, str]:
    """Return the names of the energy, the forces and the point. Raises `ValueError` without."""
    points = [name for name, rep in signature.inputs.items() if rep == Rep("1o", affine=True)]
    energies = [name for name, rep in signature.outputs.items() if rep == ENERGY]
    forces = [name for name, rep in signature.outputs.items() if rep == FORCE]
    if not points or (len(energies), len(forces), len(signature.outputs)) != (1, 1, 2):
        raise ValueError(
            "a conservative network takes a point and gives an energy, Rep('0e', objects=0), and "
            f"forces, Rep('1o'); the outputs are {dict(signature.outputs)}"
        )
    return energies[0], forces[0], points[0]


def _leave_inference(x: Tensor) -> Tensor:
    """Return a tensor that can be differentiated: one made in inference mode is copied."""
    return x.clone() if x.is_inference() else x

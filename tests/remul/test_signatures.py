"""Every function that takes a signature says so if it is given the types alone."""

from inspect import isfunction, signature

import pytest
import torch

import remul
from remul import SO3, VECTOR, Batch

FUNCTIONS = [
    function
    for name, function in vars(remul).items()
    if isfunction(function) and "signature" in signature(function).parameters
]
TYPES = {"x": VECTOR}
INPUTS = {"x": torch.randn(3, 4, 3)}


class Chain(torch.nn.Module):
    """A network that leaves its input as it is, in one stage."""

    def forward(self, inputs):
        return inputs

    def stages(self):
        return {"only": (self, TYPES)}


def draw(function):
    """Arguments by the names that functions give them, the types in place of the signature."""
    generator = torch.Generator().manual_seed(0)
    g = SO3.sample(INPUTS, generator)
    values = {
        "model": Chain(), "exact": Chain(), "learned": Chain(), "inputs": INPUTS,
        "batch": Batch(INPUTS, INPUTS), "signature": TYPES, "g": g, "elements": [g], "poses": [g],
        "generator": generator, "generators": ("x",), "l_max": 1,
        "distance": torch.nn.functional.mse_loss,
    }  # fmt: skip
    if function.__name__ == "lie_derivative":
        values["generator"] = "x"
    needed = {k for k, p in signature(function).parameters.items() if p.default is p.empty}
    return {name: values[name] for name in needed}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_types_alone_are_no_signature(function):
    with pytest.raises(ValueError, match=r"a Signature\(inputs, outputs\) is needed, got a dict"):
        function(**draw(function))


def test_most_of_the_library_takes_a_signature():
    assert len(FUNCTIONS) >= 20

"""Platonic: exact for the rotations of its solid and no others, at a plain Transformer's cost."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from models import platonic, transformer
from remul import POINT, SCALAR, SO3, VECTOR, Rep, Signature, equivariance_error

TYPES = {"mass": SCALAR, "position": POINT, "velocity": VECTOR, "shape": Rep("2e+1e")}
SIGNATURE = Signature(TYPES, TYPES)
FEWER = {"channels": 4, "layers": 2, "heads": 2}
every_solid = pytest.mark.parametrize("solid", platonic.SOLIDS)


@pytest.fixture
def inputs(draw):
    return {name: draw(8, 5, rep.dim) for name, rep in TYPES.items()}


@every_solid
def test_it_is_exact_for_the_rotations_of_its_solid(solid, network, inputs, generator):
    model = network("platonic", SIGNATURE, solid=solid, **FEWER)
    g = platonic.SOLIDS[solid].sample(inputs, generator)
    assert equivariance_error(model, inputs, SIGNATURE, g).max() < 1e-12


@every_solid
def test_it_is_not_for_others(solid, network, inputs, generator):
    model = network("platonic", SIGNATURE, solid=solid, **FEWER)
    assert equivariance_error(model, inputs, SIGNATURE, SO3.sample(inputs, generator)).max() > 1e-3


def test_a_tetrahedron_is_not_enough_for_an_octahedron(network, inputs, generator):
    model = network("platonic", SIGNATURE, **FEWER)
    g = platonic.SOLIDS["octahedron"].sample(inputs, generator)
    assert equivariance_error(model, inputs, SIGNATURE, g).max() > 1e-3


@every_solid
def test_its_work_is_that_of_a_plain_transformer_of_its_width(solid, inputs):
    order = len(platonic.SOLIDS[solid].elements())
    networks = (
        platonic.build(SIGNATURE, solid=solid, **FEWER),
        transformer.build(SIGNATURE, channels=4 * order, layers=2, heads=2),
    )
    fields, flops = {name: x.float() for name, x in inputs.items()}, []
    for model in networks:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model({name: x.repeat(8, 1, 1) for name, x in fields.items()})
        flops.append(counter.get_total_flops())
    assert flops[0] < 1.1 * flops[1]


@pytest.mark.parametrize("options", [{"solid": "cube"}, {"heads": 3}], ids=str)
def test_what_no_solid_has_is_refused(options):
    with pytest.raises(ValueError, match=r"solids are|heads must divide"):
        platonic.build(SIGNATURE, **options)

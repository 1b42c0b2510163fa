"""Rapidash: what each setting of its switch keeps, on grids of any number of orientations."""

import pytest
import torch
from torch.testing import assert_close

from models.layers.spheres import grid, lifting, lowering
from remul import (
    E3,
    POINT,
    SCALAR,
    SO3,
    VECTOR,
    Element,
    Rep,
    Signature,
    act,
    equivariance_error,
    groups,
)

BODIES = Signature(
    {"mass": SCALAR, "position": POINT, "velocity": VECTOR},
    {"position": POINT, "force": VECTOR, "energy": SCALAR},
)


@pytest.fixture
def inputs(draw):
    return {name: draw(16, 5, rep.dim) for name, rep in BODIES.inputs.items()}


def error(network, inputs, g, signature=BODIES, **options):
    model = network("rapidash", signature, channels=16, layers=2, **options)
    with torch.no_grad():
        return equivariance_error(model, inputs, signature, g)


def test_an_icosahedrons_rotations_permute_its_grid():
    turned = grid(12) @ torch.stack([g.rotation[0] for g in groups.icosahedral.elements()]).mT
    apart = torch.cdist(turned, grid(12)).amin(-1)
    assert apart.max() < 1e-7


@pytest.mark.parametrize("count", [1, 5, 12, 48])
def test_a_grid_lies_on_the_sphere(count):
    assert_close(grid(count).norm(dim=-1), torch.ones(count).double())


@pytest.mark.parametrize("irreps", ["0e", "1o", "2e", "2x0e+1e+2e"])
def test_what_is_lifted_comes_back(irreps, draw):
    types = {"x": Rep(irreps)}
    x = draw(7, Rep(irreps).dim)
    assert_close(x @ lifting(types, grid(12)) @ lowering(types, grid(12)), x)


def test_the_icosahedral_grid_is_exact_for_its_rotations(network, inputs, generator):
    assert error(network, inputs, groups.icosahedral.sample(inputs, generator)).max() < 1e-12


def test_it_is_exact_for_its_rotations_in_float32(network, inputs, generator):
    model = network("rapidash", BODIES, channels=16, layers=2).float()
    fields = {name: x.float() for name, x in inputs.items()}
    g = groups.icosahedral.sample(fields, generator)
    with torch.no_grad():
        assert equivariance_error(model, fields, BODIES, g).max() < 1e-5


@pytest.mark.parametrize("few", [13, 24])
def test_four_times_the_orientations_err_five_times_less(few, network, inputs, generator):
    g = SO3.sample(inputs, generator)
    errors = [error(network, inputs, g, orientations=n).mean() for n in (few, 4 * few)]
    assert errors[0] > 5 * errors[1]


def test_distances_are_exact(network, inputs, generator):
    g = E3.sample(inputs, generator)
    assert error(network, inputs, g, equivariance="distances").max() < 1e-12


@pytest.mark.parametrize("equivariance", ["translations", "distances", "orientations"])
def test_translations_are_kept(equivariance, network, inputs, draw):
    g = Element(torch.eye(3).double().expand(16, 3, 3), draw(16, 3))
    assert error(network, inputs, g, equivariance=equivariance).max() < 1e-12


def test_relative_positions_keep_no_rotation(network, inputs, generator):
    g = SO3.sample(inputs, generator)
    assert error(network, inputs, g, equivariance="translations").min() > 1e-2


def test_a_pose_that_is_held_breaks_the_symmetry(network, inputs, generator):
    g = SO3.sample(inputs, generator)
    assert error(network, inputs, g, equivariance="distances", pose=True).min() > 1e-2


def test_components_as_scalars_break_the_symmetry_but_for_translations(network, inputs, generator):
    options = {"equivariance": "distances", "scalars": True}
    turned, moved = SO3.sample(inputs, generator), E3.sample(inputs, generator)
    moved = Element(torch.eye(3).double().expand(16, 3, 3), moved.translation)
    assert error(network, inputs, turned, **options).min() > 1e-2
    assert error(network, inputs, moved, **options).max() < 1e-12


def test_a_pose_that_turns_along_keeps_it(network, inputs, generator):
    frame = torch.eye(3).double().flatten().expand(16, -1)
    types = {**BODIES.inputs, "pose": Rep("3x1o", objects=0)}
    g, signature = E3.sample(inputs, generator), Signature(types, BODIES.outputs)
    fields, options = inputs | {"pose": frame}, {"equivariance": "distances", "pose": True}
    assert error(network, fields, g, signature, **options).max() < 1e-12


def test_the_datas_axes_are_the_pose_if_none_is_given(network, inputs):
    model = network("rapidash", BODIES, channels=8, layers=1, pose=True)
    frame = torch.eye(3).double().flatten().expand(16, -1)
    assert_close(model(inputs), model(inputs | {"pose": frame}), rtol=0, atol=0)


@pytest.mark.parametrize("equivariance", ["translations", "distances"])
def test_every_weight_of_the_other_settings_counts(equivariance, network, inputs):
    model = network("rapidash", BODIES, channels=8, layers=2, equivariance=equivariance)
    sum(x.square().sum() for x in model(inputs).values()).backward()
    assert all(weight.grad.abs().min() > 0 for weight in model.parameters())


@pytest.mark.parametrize("options", [{"equivariance": "all"}, {"orientations": 0}], ids=str)
def test_other_switches_are_refused(options, network):
    with pytest.raises(ValueError, match="equivariance is translations, distances, orientations"):
        network("rapidash", BODIES, **options)


def test_irreps_of_one_kind_act_as_declared_on_the_grid(draw):
    types, g = {"x": Rep("2e")}, groups.icosahedral.elements()[7]
    x, points = draw(1, 4, 5), grid(12)
    turned = act(g, {"x": x}, types)["x"] @ lifting(types, points @ g.rotation[0].mT)
    assert_close(turned, x @ lifting(types, points))

"""The Lie derivative: closed forms, finite rotations, fields and layers of what breaks it."""

from math import cos, radians, sin

import networks
import pytest
import torch
from torch.func import vmap
from torch.testing import assert_close

from remul import (
    POINT,
    SCALAR,
    VECTOR,
    Element,
    Rep,
    Signature,
    act,
    lie_derivative,
    lie_derivative_error,
    lie_error_by_field,
    lie_error_by_layer,
)
from remul.lie import stages_of
from remul.rotations import rotation_about

pytestmark = pytest.mark.slow

BODIES = {"mass": SCALAR, "position": POINT, "velocity": VECTOR}
SIGNATURE = Signature(BODIES, BODIES)
ARROWS = Signature({"x": VECTOR}, {"x": VECTOR})
Y = torch.tensor([0.0, 1, 0]).double()


@pytest.fixture
def bodies(draw):
    return {name: draw(3, 5, rep.dim) for name, rep in BODIES.items()}


@pytest.mark.parametrize(("dtype", "floor"), [(torch.float64, 1e-24), (torch.float32, 1e-8)])
@pytest.mark.parametrize("name", networks.CLAIMING)
def test_claims_of_equivariance_are_at_the_floor(name, dtype, floor, network, bodies):
    inputs = {field: x.to(dtype) for field, x in bodies.items()}
    found = lie_derivative_error(network(name, SIGNATURE).to(dtype), inputs, SIGNATURE)
    assert found.dtype == dtype
    assert found.max() < floor


def test_exact_functions_of_every_irrep_are_at_the_floor(exact, vectors):
    assert lie_derivative_error(exact[0], vectors, exact[1]).max() < 1e-24


def test_broken_functions_are_not(broken, vectors):
    assert lie_derivative_error(broken[0], vectors, broken[1]).min() > 1e-4


@pytest.mark.parametrize(
    ("name", "hparams", "size"),
    [
        ("exact", {}, 0),
        ("epsilon", {"epsilon": 0.3}, 0.3**2),
        ("frame", {"angle_deg": 70.0}, 4 * sin(radians(35)) ** 2),
    ],
)
def test_a_preferred_axis_has_its_closed_form(name, hparams, size, network, draw):
    x = draw(4, 6, 3)
    closed = size / 3 * (x.square().sum(-1) + x[..., 1].square()).mean(-1)
    found = lie_derivative_error(network(name, ARROWS, **hparams), {"x": x}, ARROWS)
    assert_close(found, closed, rtol=1e-10, atol=1e-24)


def test_an_offset_has_the_casimir_of_its_degree(irreps, network, draw):
    signature = Signature({"x": Rep(irreps)}, {"x": Rep(irreps)})
    inputs, degree = {"x": draw(4, 2, Rep(irreps).dim)}, int(irreps[0])
    found = lie_derivative_error(network("offset", signature, size=0.7), inputs, signature)
    assert_close(found, torch.full((4,), degree * (degree + 1) * 0.49).double())


def pulled_back(model, inputs, axis, angle):
    direction = torch.eye(3, dtype=torch.float64)["xyz".index(axis)][None]
    g, back = (
        Element(rotation_about(direction, torch.tensor([a]).double()), torch.zeros(1, 3).double())
        for a in (angle, -angle)
    )
    return act(back, model(act(g, inputs, BODIES)), BODIES)


@pytest.mark.parametrize("axis", "xyz")
@pytest.mark.parametrize("name", networks.NAMES)
def test_it_is_the_limit_of_finite_rotations(name, axis, network, bodies):
    model, step = network(name, SIGNATURE), 1e-4
    ahead, behind = (pulled_back(model, bodies, axis, angle) for angle in (step, -step))
    slopes = {field: (ahead[field] - behind[field]) / (2 * step) for field in BODIES}
    found = lie_derivative(model, bodies, SIGNATURE, axis)
    assert_close(found, slopes, rtol=1e-4, atol=1e-6)


def test_generators_add_up(network, bodies):
    model = network("gnn", SIGNATURE)
    each = [lie_derivative_error(model, bodies, SIGNATURE, axis) for axis in "xyz"]
    assert_close(lie_derivative_error(model, bodies, SIGNATURE), sum(each))


def test_only_the_axes_across_see_a_preferred_one(network, bodies):
    model = network("frame", SIGNATURE)
    assert lie_derivative_error(model, bodies, SIGNATURE, ["y"]).max() < 1e-24


def leaning(inputs):
    """Exact but for the velocity, of which the part along y counts twice."""
    v = inputs["velocity"]
    return inputs | {"velocity": v + inputs["mass"] * (v @ Y).unsqueeze(-1) * Y}


@pytest.mark.parametrize("field", ["mass", "position"])
def test_fields_that_keep_the_symmetry_show_nothing(field, bodies):
    assert lie_error_by_field(leaning, bodies, SIGNATURE)[field].max() < 1e-24


def test_the_field_that_breaks_the_symmetry_shows_it_all(bodies):
    found = lie_error_by_field(leaning, bodies, SIGNATURE)["velocity"]
    assert_close(found, lie_derivative_error(leaning, bodies, SIGNATURE))


@pytest.mark.parametrize("name", networks.CLAIMING)
def test_no_field_of_an_exact_model_shows(name, network, bodies):
    found = lie_error_by_field(network(name, SIGNATURE), bodies, SIGNATURE)
    assert max(error.max() for error in found.values()) < 1e-24


class Bent(torch.nn.Module):
    """A layer of the tensor field network, its vectors stretched along y by some share."""

    def __init__(self, layer, share):
        super().__init__()
        self.layer = layer
        self.share = share

    def forward(self, h, edges):
        h = self.layer(h, edges)
        stretched = h[1] * (1 + self.share * Y.view(3, 1))
        return [h[0], stretched, *h[2:]]


@pytest.fixture
def bent(network):
    """A tensor field network whose layers 1 and 2 break the symmetry."""
    model = network("tfn", SIGNATURE, channels=8)
    model.layers[1], model.layers[2] = Bent(model.layers[1], 0.5), Bent(model.layers[2], 0.1)
    return model


@pytest.mark.parametrize("axis", "xyz")
def test_layers_sum_to_the_total(axis, bent, bodies):
    total = lie_derivative(bent, bodies, SIGNATURE, axis)
    layers = [lie_derivative(bent, bodies, SIGNATURE, axis, layer) for layer in bent.stages()]
    summed = {field: sum(layer[field] for layer in layers) for field in BODIES}
    assert_close(summed, total, rtol=0, atol=1e-10)


def test_the_layers_that_break_the_symmetry_are_found(bent, bodies):
    found = lie_error_by_layer(bent, bodies, SIGNATURE)
    broken = [name for name, error in found.items() if error.min() > 1e-12]
    whole = [name for name, error in found.items() if error.max() < 1e-24]
    assert (broken, whole) == (["layers.1", "layers.2"], ["embed", "layers.0", "readout"])


TYPED = [n for n in networks.NAMES if hasattr(networks.load(n).build(SIGNATURE), "stages")]


@pytest.mark.parametrize("name", TYPED)
def test_padding_brings_nothing_to_a_layer(name, network, bodies):
    mask = torch.tensor([1.0, 1, 1, 0, 0]).double().view(1, 5, 1).expand(3, 5, 1)
    padded = {field: torch.where(mask.bool(), x, float("nan")) for field, x in bodies.items()}
    found = lie_error_by_layer(network(name, SIGNATURE), padded | {"mask": mask}, SIGNATURE)
    assert max(error.max() for error in found.values()) < 1e-24


@pytest.mark.parametrize("name", TYPED)
def test_stages_are_the_forward_pass(name, network, bodies):
    model = network(name, SIGNATURE)
    fields = bodies
    for stage, _ in stages_of(model).values():
        fields = stage(fields)
    assert_close(fields, model(bodies), rtol=0, atol=0)


@pytest.mark.parametrize("name", sorted(set(networks.NAMES) - set(TYPED)))
def test_untyped_features_have_no_layers(name, network, bodies):
    with pytest.raises(ValueError, match="declares no stages"):
        lie_error_by_layer(network(name, SIGNATURE), bodies, SIGNATURE)


@pytest.mark.parametrize("name", networks.NAMES)
def test_padded_objects_do_not_count(name, network, bodies):
    model = network(name, SIGNATURE)
    mask = torch.tensor([1.0, 1, 1, 0, 0]).double().view(1, 5, 1).expand(3, 5, 1)
    padded = {field: torch.where(mask.bool(), x, float("nan")) for field, x in bodies.items()}
    real = {field: x[:, :3] for field, x in bodies.items()}
    found = lie_derivative_error(model, padded | {"mask": mask}, SIGNATURE)
    assert_close(found, lie_derivative_error(model, real, SIGNATURE), rtol=1e-9, atol=1e-20)


@pytest.mark.parametrize("shape", [(2,), (2, 1), (2, 3, 4)])
def test_any_batch_shape_will_do(shape, draw):
    def stretched(inputs):
        return {"x": inputs["x"] * (1 + 0.5 * Y)}

    x = draw(*shape, 3)
    closed = 0.25 / 3 * (x.square().sum(-1) + x[..., 1].square()).view(2, -1).mean(-1)
    assert_close(lie_derivative_error(stretched, {"x": x}, ARROWS), closed)


def test_it_goes_through_vmap(network, bodies):
    model, twice = (
        network("gnn", SIGNATURE),
        {k: torch.stack([x, 2 * x]) for k, x in bodies.items()},
    )
    found = vmap(lambda inputs: lie_derivative_error(model, inputs, SIGNATURE))(twice)
    assert_close(found[0], lie_derivative_error(model, bodies, SIGNATURE))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.slow
def test_it_takes_a_compiled_model(network, draw):
    model, inputs = network("frame", ARROWS), {"x": draw(2, 3, 3)}
    found = lie_derivative_error(torch.compile(model, backend="eager"), inputs, ARROWS)
    assert_close(found, lie_derivative_error(model, inputs, ARROWS))


def test_a_frame_of_half_a_turn_is_the_farthest(network, draw):
    inputs = {"x": draw(2, 3, 3)}
    half, some = (
        lie_derivative_error(network("frame", ARROWS, angle_deg=angle), inputs, ARROWS)
        for angle in (180.0, 60.0)
    )
    assert_close(some, half * (1 - cos(radians(60))) / 2)


@pytest.mark.parametrize(
    ("inputs", "generators", "message"),
    [
        ({"x": torch.full((1, 2, 3), float("nan"))}, "xyz", "'x' holds a NaN"),
        ({"x": torch.zeros(0, 2, 3)}, "xyz", "batch size of at least 1.*'x'"),
        ({"x": torch.zeros(1, 2, 2)}, "xyz", "'x' has 2 components"),
        ({"y": torch.zeros(1, 2, 3)}, "xyz", "'x' is missing"),
        ({"x": torch.zeros(1, 2, 3)}, "xw", "no generator 'w'"),
        ({"x": torch.zeros(1, 2, 3)}, "", "at least one generator"),
    ],
)
def test_errors_say_what_is_wrong(inputs, generators, message):
    with pytest.raises(ValueError, match=message):
        lie_derivative_error(lambda fields: fields, inputs, ARROWS, generators)


def test_outputs_have_to_match_too():
    with pytest.raises(ValueError, match="'x' has 1 components"):
        lie_derivative_error(lambda f: {"x": f["x"][..., :1]}, {"x": torch.ones(1, 2, 3)}, ARROWS)


def test_an_unknown_layer_is_named(bent, bodies):
    with pytest.raises(ValueError, match=r"no stage 'layers\.9'; there are embed"):
        lie_derivative(bent, bodies, SIGNATURE, "x", "layers.9")

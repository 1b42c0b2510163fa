"""Symmetry after training: averages over groups and frames of a function that has no symmetry."""

from copy import deepcopy

import pytest
import torch
from torch.testing import assert_close

from bench.core import plugins
from remul import (
    POINT,
    SCALAR,
    SE3,
    SO3,
    VECTOR,
    MatrixElement,
    Rep,
    Signature,
    act,
    canonicalise,
    equivariance_error,
    frame_average,
    group_average,
    groups,
)
from remul.fields import zero_padding

SIGNATURE = Signature(
    {"mass": SCALAR, "position": POINT, "velocity": VECTOR},
    {"position": POINT, "energy": SCALAR, "velocity": VECTOR},
)
WRAPPERS = {"frame_average": frame_average, "canonicalise": canonicalise}
every_wrapper = pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)


def skewed(inputs):
    """Smooth, equivariant under permutations alone."""
    mass, x, v = (inputs[name] for name in ("mass", "position", "velocity"))
    real = inputs.get("mask", torch.ones_like(mass))
    mixed = (x * x.roll(1, -1) + v.sin() * mass) * real
    pooled = (mixed + mixed.exp().roll(1, -1) * real).sum(1, keepdim=True)
    return {
        "position": x + pooled.tanh() + mixed,
        "energy": pooled[..., :1] * x[..., 1:2],
        "velocity": (v + pooled).cos(),
    }


def with_no_velocity(x):
    """Bodies of one mass at rest, two copies as two samples."""
    x = torch.as_tensor(x, dtype=torch.float64)
    return {
        "mass": torch.ones(2, len(x), 1, dtype=torch.float64),
        "position": torch.stack([x, 2 * x + 1]),
        "velocity": torch.zeros(2, len(x), 3, dtype=torch.float64),
    }


ROOT3 = 3**0.5
CLOUDS = {
    "planar": [[0, 0, 0], [1, 0, 0], [0.3, 2, 0], [-0.5, 0.7, 0]],
    "collinear": [[0, 0, 0], [0, 0, 1], [0, 0, 3]],
    "single": [[1, 2, 3]],
    "pair": [[0, 0, 1], [0, 0, -1]],
    "triangle": [[1, 0, 0], [-0.5, ROOT3 / 2, 0], [-0.5, -ROOT3 / 2, 0]],
    "square": [[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]],
    "tetrahedron": [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1], [0, 0, 0]],
    "cube": [[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)],
    "needle": [[1e-4, 0, 0], [-5e-5, 9e-5, 0], [0, -9e-5, 1], [0, 0, 3]],
}


@pytest.fixture
def bodies(draw):
    return {"mass": draw(200, 5, 1).exp(), "position": draw(200, 5, 3), "velocity": draw(200, 5, 3)}


@pytest.fixture(scope="module")
def gravity():
    """The test split of the task and an untrained Transformer, in float32."""
    task = plugins.load("tasks", "nbody_gravity").load(0, train=4, val=4, test=300, ood=4)
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(0)
        model = plugins.load("models", "transformer").build(task.signature, channels=32, layers=2)
    return task, model.eval()


def worst(model, inputs, generator, group=SE3, signature=SIGNATURE):
    with torch.inference_mode():
        error = equivariance_error(model, inputs, signature, group.sample(inputs, generator))
    return error.max().item()


def test_the_model_to_be_wrapped_has_no_symmetry(bodies, generator):
    assert worst(skewed, bodies, generator) > 0.1


@every_wrapper
def test_a_wrapper_is_equivariant(wrap, bodies, generator):
    assert worst(wrap(skewed, SIGNATURE), bodies, generator) < 1e-8


def test_frame_averages_are_exact_in_float64(bodies, generator):
    assert worst(frame_average(skewed, SIGNATURE), bodies, generator) < 1e-10


@pytest.mark.parametrize("cloud", CLOUDS)
def test_frame_averages_are_exact_on_every_cloud(cloud, generator):
    inputs = with_no_velocity(CLOUDS[cloud])
    assert worst(frame_average(skewed, SIGNATURE), inputs, generator) < 1e-10


def test_a_bare_canonical_frame_is_not_defined_on_a_symmetric_cloud(generator):
    inputs = with_no_velocity(CLOUDS["cube"])
    assert worst(canonicalise(skewed, SIGNATURE), inputs, generator) > 1e-3


def largest_jump(draw):
    """Of frame averages as an isotropic cloud is stretched: two spreads cross at s = 0."""
    steps = torch.linspace(-0.02, 0.02, 401, dtype=torch.float64)
    x = draw(6, 3)
    x = torch.linalg.qr(x - x.mean(0)).Q  # covariance 1
    stretch = torch.stack([1 + steps, 1 - steps, torch.ones_like(steps)], -1)
    rest = with_no_velocity(x)
    inputs = {name: field[:1].expand(401, *field.shape[1:]) for name, field in rest.items()}
    energy = frame_average(skewed, SIGNATURE)(inputs | {"position": stretch[:, None] * x})["energy"]
    return (energy.diff(dim=0).abs().max() / energy.abs().max()).item()


def test_frame_averages_do_not_jump_where_spreads_cross(draw):
    assert largest_jump(draw) < 0.05


def test_principal_axes_alone_jump_where_spreads_cross(draw, monkeypatch):
    monkeypatch.setattr("remul.frames.NEAR", 1e-12)
    assert largest_jump(draw) > 0.3


@every_wrapper
def test_the_transformer_on_planar_orbits_is_exact_in_float32(wrap, gravity, generator):
    task, model = gravity
    wrapped = wrap(model, task.signature)
    assert worst(wrapped, task.test.inputs, generator, SO3, task.signature) < 1e-5


def test_the_transformer_on_planar_orbits_is_exact_in_float64(gravity, generator):
    task, model = gravity
    inputs = task.test[:50].to(torch.float64).inputs
    wrapped = frame_average(deepcopy(model).double(), task.signature)
    assert worst(wrapped, inputs, generator, SO3, task.signature) < 1e-10


@every_wrapper
def test_padding_changes_nothing(wrap, bodies, draw):
    padded = {k: torch.cat([x, 9 * draw(200, 2, x.shape[-1])], 1) for k, x in bodies.items()}
    padded["mask"] = torch.cat([torch.ones(200, 5, 1), torch.zeros(200, 2, 1)], 1).double()
    model = wrap(skewed, SIGNATURE)
    assert_close(model(padded)["position"][:, :5], model(bodies)["position"])


@every_wrapper
def test_a_wrapper_keeps_the_order_of_objects(wrap, bodies, generator):
    model = wrap(skewed, SIGNATURE)
    assert worst(model, bodies, generator, groups.permutations) < 1e-8


@every_wrapper
def test_an_equivariant_model_stays_as_it_is(wrap, bodies):
    def exact(inputs):
        return {"y": inputs["position"] + 2 * inputs["velocity"]}

    signature = Signature(SIGNATURE.inputs, {"y": POINT})
    assert_close(wrap(exact, signature)(bodies), exact(bodies))


@pytest.mark.parametrize("name", ["tetrahedral", "octahedral", "icosahedral"])
def test_a_group_average_is_equivariant_under_its_group(name, bodies, generator):
    group = getattr(groups, name)
    model = group_average(skewed, SIGNATURE, group.elements())
    assert worst(model, bodies, generator, group) < 1e-10


def test_a_group_average_over_samples_is_their_mean(bodies, generator):
    elements = [SE3.sample(bodies, generator) for _ in range(3)]
    outputs = [
        act(g.inverse(), skewed(act(g, bodies, SIGNATURE.inputs)), SIGNATURE.outputs)["position"]
        for g in elements
    ]
    averaged = group_average(skewed, SIGNATURE, elements)(bodies)["position"]
    assert_close(averaged, sum(outputs) / 3)


@pytest.mark.parametrize(
    ("name", "degree"), [("tetrahedral", 2), ("octahedral", 3), ("icosahedral", 5)]
)
def test_averages_over_a_platonic_group_vanish_up_to_its_degree(name, degree, draw):
    signature = Signature(
        {"v": VECTOR}, {"y": Rep(f"{degree}e" if degree % 2 == 0 else f"{degree}o")}
    )
    constant = draw(1, 2 * degree + 1)
    model = group_average(
        lambda inputs: {"y": constant.expand(len(inputs["v"]), -1)},
        signature,
        getattr(groups, name).elements(),
    )
    assert model({"v": draw(3, 3)})["y"].abs().max() < 1e-12


def test_a_group_average_needs_elements():
    with pytest.raises(ValueError, match="at least one group element"):
        group_average(skewed, SIGNATURE, [])


@pytest.mark.parametrize("cloud", CLOUDS.values(), ids=CLOUDS)
def test_forces_of_a_frame_average_turn_with_the_bodies(cloud, generator):
    inputs = with_no_velocity(cloud)
    g = SO3.sample(inputs, generator)
    energy = frame_average(skewed, SIGNATURE)

    def forces(inputs):
        x = inputs["position"].detach().requires_grad_()
        (found,) = torch.autograd.grad(energy(inputs | {"position": x})["energy"].sum(), x)
        return {"force": found}

    expected = act(g, forces(inputs), {"force": VECTOR})["force"]
    assert_close(forces(act(g, inputs, SIGNATURE.inputs))["force"], expected, rtol=0, atol=1e-9)


@every_wrapper
def test_padding_of_a_symmetrised_model_may_hold_anything(wrap, bodies):
    mask = torch.ones(200, 5, 1, dtype=torch.float64)
    mask[:, 3:] = 0
    filled = {name: torch.where(mask.bool(), x, torch.nan) for name, x in bodies.items()}
    model = wrap(lambda inputs: skewed(zero_padding(inputs, inputs["mask"])), SIGNATURE)
    found, expected = (model(fields | {"mask": mask}) for fields in (filled, bodies))
    assert_close(found["energy"], expected["energy"])


@every_wrapper
def test_frames_need_something_that_turns(wrap):
    signature = Signature({"mass": SCALAR, "strain": Rep("2e")}, {"energy": SCALAR})
    with pytest.raises(ValueError, match=r"degree 1.*'mass' 0e, 'strain' 2e"):
        wrap(skewed, signature)


def test_a_group_average_of_other_samples_is_told(bodies, generator):
    g = SO3.sample({"mass": bodies["mass"][:3]}, generator)
    with pytest.raises(ValueError, match="200 samples, a group element has 3"):
        group_average(skewed, SIGNATURE, [g])(bodies)


def test_wrappers_switch_the_mode_of_the_model(gravity):
    task, model = gravity
    assert not frame_average(model, task.signature).train().eval().model.training


MOLECULES = {
    "SF6": [
        [0, 0, 0],
        [1.6, 0, 0],
        [-1.6, 0, 0],
        [0, 1.6, 0],
        [0, -1.6, 0],
        [0, 0, 1.6],
        [0, 0, -1.6],
    ],
    "CO2": [[0, 0, 0], [1.2, 0, 0], [-1.2, 0, 0]],
    "H2O": [[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]],
    **CLOUDS,
}
every_molecule = pytest.mark.parametrize("cloud", MOLECULES.values(), ids=MOLECULES)


def energy_of(cloud, wrap):
    """The energy of a model with one weight, as a function of the places and of the weight."""
    inputs = with_no_velocity(cloud)

    def energy(x, weight):
        def model(fields):
            return skewed(fields | {"mass": weight * fields["mass"]})

        return wrap(model, SIGNATURE)(inputs | {"position": x})["energy"].sum()

    return energy, inputs["position"].requires_grad_()


def slope(function, x, step=1e-5):
    return (function(x + step) - function(x - step)) / (2 * step)


@every_molecule
@every_wrapper
def test_a_loss_of_forces_has_the_gradient_of_its_slope(wrap, cloud):
    energy, x = energy_of(cloud, wrap)
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)

    def loss(weight):
        return torch.autograd.grad(energy(x, weight), x, create_graph=True)[0].square().sum()

    (found,) = torch.autograd.grad(loss(weight), weight)
    assert_close(found, slope(loss, weight.detach()), rtol=1e-5, atol=1e-7)


@every_molecule
def test_forces_of_a_frame_average_are_the_slope_of_its_energy(cloud, draw):
    energy, x = energy_of(cloud, frame_average)
    weight, along = torch.tensor(0.7, dtype=torch.float64), draw(*x.shape)
    (found,) = torch.autograd.grad(energy(x, weight), x)
    with torch.no_grad():
        expected = slope(lambda t: energy(x + t * along, weight), 0.0, 1e-6)
    assert_close((found * along).sum(), expected, rtol=1e-5, atol=1e-6)


AVERAGES = {
    "group_average": lambda f, s: group_average(f, s, groups.tetrahedral.elements()),
    "mean in a space": lambda f, s: group_average(f, s, [MatrixElement({"": torch.eye(1)[None]})]),
    **WRAPPERS,
}
every_average = pytest.mark.parametrize("wrap", AVERAGES.values(), ids=AVERAGES)


@every_average
def test_whole_numbers_have_no_average(wrap, bodies):
    signature = Signature(SIGNATURE.inputs, {"kind": SCALAR})
    model = wrap(lambda inputs: {"kind": inputs["mass"].long()}, signature)
    with pytest.raises(ValueError, match=r"'kind' in .*int64; it has to be floating"):
        model(bodies)


@every_average
def test_an_average_needs_a_signature(wrap):
    with pytest.raises(ValueError, match=r"a Signature.* is needed, got a dict"):
        wrap(skewed, SIGNATURE.inputs)

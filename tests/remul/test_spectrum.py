"""The error spectrum: degrees and energies of functions whose expansion is known."""

from math import cos, radians, sin

import networks
import pytest
import torch
from e3nn import o3
from torch.func import vmap
from torch.testing import assert_close

from remul import POINT, SCALAR, VECTOR, Rep, Signature, error_spectrum, feature_spectrum, wigner
from remul.spectrum import _grid

BODIES = {"mass": SCALAR, "position": POINT, "velocity": VECTOR}
SIGNATURE = Signature(BODIES, BODIES)
ARROWS = Signature({"x": VECTOR}, {"x": VECTOR})


@pytest.fixture
def bodies(draw):
    return {name: draw(3, 5, rep.dim) for name, rep in BODIES.items()}


def length_squared(x):
    return x.flatten(1).square().sum(-1)


@pytest.mark.parametrize("name", networks.CLAIMING)
def test_an_exact_model_is_in_degree_zero(name, network, bodies):
    found = error_spectrum(network(name, SIGNATURE), bodies, SIGNATURE, 2)
    assert (found[:, 1:].sum(-1) / found[:, 0]).max() < 1e-10


def test_exact_functions_of_every_irrep_are_in_degree_zero(exact, vectors):
    found = error_spectrum(exact[0], vectors, exact[1], 3)
    assert (found[:, 1:].sum(-1) / found[:, 0]).max() < 1e-10


def closed_form(name, x):
    """Energies over |x|^2 up to degree 3 of the probes with a preferred axis."""
    turn = cos(radians(70))
    shares = {
        "exact": [1, 0, 0, 0],
        "epsilon": [1.1**2, 0, 2 / 9 * 0.3**2, 0],
        "frame": [
            (1 + 2 * turn) ** 2 / 9, 2 / 3 * sin(radians(70)) ** 2, 2 / 9 * (1 - turn) ** 2, 0,
        ],
    }  # fmt: skip
    return length_squared(x)[:, None] * x.new_tensor(shares[name])


@pytest.mark.parametrize(
    ("name", "hparams"),
    [
        ("exact", {}),
        ("epsilon", {"epsilon": 0.3}),
        ("frame", {"angle_deg": 70.0}),
    ],
)
def test_a_preferred_axis_has_its_closed_form(name, hparams, network, draw):
    x = draw(4, 6, 3)
    found = error_spectrum(network(name, ARROWS, **hparams), {"x": x}, ARROWS, 3)
    assert_close(found, closed_form(name, x), rtol=1e-10, atol=1e-10)


def test_an_offset_is_in_the_degree_of_its_irrep(irreps, network, draw):
    rep, degree = Rep(irreps), int(irreps[0])
    signature, x = Signature({"x": rep}, {"x": rep}), draw(4, 2, rep.dim)
    model = network("offset", signature, size=0.7)
    closed = torch.zeros(4, 5).double()
    closed[:, 0], closed[:, degree] = length_squared(x), 0.49 * 2 * rep.dim
    if degree == 0:
        closed[:, 0] = length_squared(x + 0.7)
    found = error_spectrum(model, {"x": x}, signature, 4)
    assert_close(found, closed, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("degree", range(4))
def test_a_polynomial_is_in_its_degree(degree):
    """f = D^l_00(g) as a function of the turned axis: energy 1 / (2 l + 1) in degree l alone."""
    polynomial = [
        lambda z: z**0,
        lambda z: z,
        lambda z: (3 * z**2 - 1) / 2,
        lambda z: (5 * z**3 - 3 * z) / 2,
    ][degree]
    signature = Signature({"x": VECTOR}, {"energy": SCALAR})
    inputs = {"x": torch.tensor([[[0, 0, 1.0]]]).double()}
    found = error_spectrum(lambda f: {"energy": polynomial(f["x"][..., 2:])}, inputs, signature, 4)
    closed = torch.zeros(1, 5).double()
    closed[0, degree] = 1 / (2 * degree + 1)
    assert_close(found, closed, rtol=1e-10, atol=1e-10)


def test_energies_sum_to_the_mean_square_of_the_output(network, draw):
    """The frame keeps lengths, so the mean over the group is |x|^2."""
    x = draw(4, 6, 3)
    found = error_spectrum(network("frame", ARROWS), {"x": x}, ARROWS, 2)
    assert_close(found.sum(-1), length_squared(x))


def test_the_grid_makes_wigner_matrices_orthogonal():
    rotations, weights = (torch.cat(parts) for parts in zip(*_grid(3), strict=True))
    entries = torch.cat([(2 * d + 1) ** 0.5 * wigner(d, rotations).flatten(1) for d in range(4)], 1)
    gram = (entries * weights[:, None]).mT @ entries
    assert_close(gram, torch.eye(len(gram)).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", networks.NAMES)
def test_padded_objects_do_not_count(name, network, bodies):
    model = network(name, SIGNATURE)
    mask = torch.tensor([1.0, 1, 1, 0, 0]).double().view(1, 5, 1).expand(3, 5, 1)
    padded = {field: torch.where(mask.bool(), x, float("nan")) for field, x in bodies.items()}
    real = {field: x[:, :3] for field, x in bodies.items()}
    found = error_spectrum(model, padded | {"mask": mask}, SIGNATURE, 1)
    assert_close(found, error_spectrum(model, real, SIGNATURE, 1), rtol=1e-9, atol=1e-12)


def test_float32_is_nearly_as_good(network, draw):
    x = draw(4, 6, 3)
    model = network("epsilon", ARROWS, epsilon=0.3).float()
    found = error_spectrum(model, {"x": x.float()}, ARROWS, 3)
    assert_close(found, closed_form("epsilon", x).float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(2,), (2, 1), (2, 3, 4)])
def test_any_batch_shape_will_do(shape, draw):
    x = draw(*shape, 3)
    found = error_spectrum(lambda fields: fields, {"x": x}, ARROWS, 1)
    assert_close(found, torch.stack([length_squared(x), torch.zeros(2).double()], -1))


def test_it_goes_through_vmap(network, draw):
    model, x = network("frame", ARROWS), draw(2, 4, 3, 3)
    found = vmap(lambda x: error_spectrum(model, {"x": x}, ARROWS, 2))(x)
    assert_close(found[1], error_spectrum(model, {"x": x[1]}, ARROWS, 2))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_it_takes_a_compiled_model(network, draw):
    model, inputs = network("frame", ARROWS), {"x": draw(2, 3, 3)}
    found = error_spectrum(torch.compile(model, backend="eager"), inputs, ARROWS, 1)
    assert_close(found, error_spectrum(model, inputs, ARROWS, 1))


@pytest.mark.parametrize(
    ("inputs", "l_max", "message"),
    [
        ({"x": torch.full((1, 2, 3), float("nan"))}, 1, "'x' holds a NaN"),
        ({"x": torch.zeros(0, 2, 3)}, 1, "batch size of at least 1.*'x'"),
        ({"x": torch.zeros(1, 2, 2)}, 1, "'x' has 2 components"),
        ({"y": torch.zeros(1, 2, 3)}, 1, "'x' is missing"),
        ({"x": torch.zeros(1, 2, 3)}, -1, "0 or more, got -1"),
    ],
)
def test_errors_say_what_is_wrong(inputs, l_max, message):
    with pytest.raises(ValueError, match=message):
        error_spectrum(lambda fields: fields, inputs, ARROWS, l_max)


class Stages(torch.nn.Module):
    """Layers that hold a vector, its square's length, and what is quadratic in it."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(map(Stage, [lambda x: x, invariant, quadratic]))

    def forward(self, inputs):
        return {"x": sum(layer(inputs["x"]).sum(-1, keepdim=True) for layer in self.layers)}


class Stage(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def invariant(x):
    return x.square().sum(-1, keepdim=True)


def quadratic(x):
    return o3.spherical_harmonics(2, x, normalize=False)


def test_features_have_the_degrees_of_their_layers(draw):
    energies = feature_spectrum(Stages(), {"x": draw(4, 5, 3)}, ARROWS, 2)
    shares = torch.stack([e.sum(0) / e.sum() for e in energies.values()])
    assert_close(shares, torch.eye(3).double()[[1, 0, 2]])


def test_features_of_an_exact_network_without_vectors_are_invariant(network, bodies):
    model = network("painn", SIGNATURE, channels=8, layers=1)
    energies = feature_spectrum(model, bodies, SIGNATURE, 2)["layers.0"]
    assert (energies[:, 2] / energies.sum(-1)).max() < 1e-10  # scalars and vectors alone


def test_ragged_samples_are_refused(network, bodies):
    model, rows = network("gnn", SIGNATURE), {n: x.flatten(0, 1) for n, x in bodies.items()}
    with pytest.raises(ValueError, match="ragged"):
        feature_spectrum(model, rows | {"batch": torch.arange(15) // 5}, SIGNATURE, 1)


@pytest.mark.parametrize("content", [0.0, 1.0, 1e3])
def test_features_of_padded_objects_do_not_count(content, draw):
    x, mask = draw(4, 5, 3), torch.ones(4, 5, 1)
    x[:, 3:], mask[:, 3:] = content, 0
    found = feature_spectrum(Stages(), {"x": x, "mask": mask}, ARROWS, 2)
    assert_close(found, feature_spectrum(Stages(), {"x": x[:, :3]}, ARROWS, 2))


@pytest.mark.parametrize("measure", [error_spectrum, feature_spectrum])
def test_types_alone_are_no_signature(measure, draw):
    with pytest.raises(ValueError, match=r"Signature\(inputs, outputs\) is needed, got a dict"):
        measure(Stages(), {"x": draw(1, 2, 3)}, {"x": VECTOR}, 1)

"""Steerable maps and convolutions against explicit sums; every backend against the first."""

import sys
from math import sqrt

import pytest
import torch
from e3nn import o3
from torch.testing import assert_close

from models import nequip, segnn
from models.layers.neighbours import find_all_edges
from models.layers.steerable import SteerableLinear, list_paths, steer
from models.layers.tensor_product_backends import (
    LIBRARIES,
    build_backend,
    spherical_harmonics,
)
from models.layers.tensor_product_spec import Geometry, TensorProductSpec
from models.layers.tensor_products import Coupling
from remul import E3, O3, POINT, SCALAR, VECTOR, Rep, Signature, equivariance_error

DEGREES = [1, 2, 3]
WIDTH, CHANNELS = 2, 3
every_degree = pytest.mark.parametrize("degree", DEGREES)


@pytest.fixture
def doubles():
    """float64 by default, as e3nn makes its tables in the default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def steered(x, attribute, weights, degree):
    """Sum over paths of W CG(x, a), one coefficient at a time: (2 c + 1, channels) by degree."""
    found = [torch.zeros(2 * c + 1, CHANNELS).double() for c in range(degree + 1)]
    for (a, b, c), weight in weights.items():
        table = sqrt(2 * c + 1) * o3.wigner_3j(a, b, c, dtype=torch.float64)
        for u, v, w in table.nonzero().tolist():
            found[c][w] += table[u, v, w] * attribute[b * b + v] * (weight @ x[a][u])
    return found


def degrees_of(path):
    a, c, which = path
    return a, abs(a - c) + 2 * which, c


def inside(steerable):
    """The weights of a steerable map by the degrees of their path."""
    found = {}
    for falling, after in zip(steerable.falling, steerable.after, strict=True):
        parts = after.weight.chunk(len(falling), 1)
        found |= {degrees_of(path): part for path, part in zip(falling, parts, strict=True)}
    for rising, before in zip(steerable.rising, steerable.before, strict=True):
        found |= {degrees_of(path): lift.weight for path, lift in zip(rising, before, strict=True)}
    return found


def of_degrees(draw, degree, *shape):
    return [draw(*shape, 2 * d + 1, WIDTH) for d in range(degree + 1)]


@every_degree
def test_steerable_maps_are_sums_of_clebsch_gordan_products(degree, draw):
    widths = [WIDTH] * (degree + 1), [CHANNELS] * (degree + 1)
    steerable = SteerableLinear(*widths, Coupling(degree)).double()
    torch.nn.init.zeros_(steerable.after[0].bias)
    x, attribute = of_degrees(draw, degree, 1, 1, 1), spherical_harmonics(draw(1, 1, 1, 3), degree)
    found = steerable(x, steer(Coupling(degree), attribute))
    alone = [part[0, 0, 0] for part in x]
    expected = steered(alone, attribute[0, 0, 0], inside(steerable), degree)
    assert_close([y[0, 0, 0] for y in found], expected, rtol=1e-12, atol=1e-12)


@every_degree
@pytest.mark.parametrize("neighbours", [None, 2])
def test_maps_of_pairs_are_those_of_both_objects_and_the_scalars(degree, neighbours, draw):
    widths = [WIDTH] * (degree + 1), [CHANNELS] * (degree + 1)
    first = segnn.SteerablePairLinear(*widths, 2, Coupling(degree)).double()
    bond, positions, h = draw(1, 4, 4, 1), draw(1, 4, 3), of_degrees(draw, degree, 1, 4)
    types = {"bond": Rep("0e", objects=2)}
    edges = find_all_edges({"bond": bond}, types, positions, neighbours)
    found = first(h, segnn.EdgeAttributes(edges, Coupling(degree)))
    i, k = 2, 1
    j = k if edges.senders is None else edges.senders[0, i, k]
    attribute = spherical_harmonics(positions[0, i] - positions[0, j], degree)
    expected = [torch.zeros(2 * c + 1, CHANNELS).double() for c in range(degree + 1)]
    for maps, who in ((first.receive, i), (first.send, j)):
        weights = dict(
            zip(
                map(degrees_of, list_paths(Coupling(degree), [1] * (degree + 1))),
                rows(maps),
                strict=True,
            )
        )
        made = steered([x[0, who] for x in h], attribute, weights, degree)
        paths = [sum(c == d for _, _, c in weights) for d in range(degree + 1)]
        expected = [y + m / sqrt(2 * p) for y, m, p in zip(expected, made, paths, strict=True)]
    squared = (positions[0, i] - positions[0, j]).square().sum()
    known = torch.stack([squared.log1p(), bond[0, i, j, 0]])
    for c, weight in enumerate(first.invariant_weights):
        expected[c] += attribute[c * c : (c + 1) ** 2, None] * (known @ weight)
    assert_close([y[0, i, k] for y in found], expected, rtol=1e-12, atol=1e-12)


def rows(maps):
    return [part for weigh in maps for part in weigh.weight.split(CHANNELS)]


def convolved(name, degree, neighbours, draw):
    """The convolution by one backend, and the edges and features that went in."""
    spec = TensorProductSpec(degree, WIDTH)
    edges = find_all_edges({}, {}, draw(2, 4, 3), neighbours)
    h = [draw(2, 4, 2 * d + 1, WIDTH) for d, _ in spec.irreps]
    weights = draw(*edges.vectors.shape[:3], len(spec.paths) * WIDTH)
    backend, harmonics = build_backend(name, spec), spherical_harmonics(edges.vectors, degree)
    result = backend(h, weights, backend.prepare(Geometry(edges, harmonics, {})))
    return result, (spec, edges, h, weights, harmonics)


@every_degree
def test_convolutions_are_means_of_clebsch_gordan_products(degree, draw):
    found, (spec, edges, h, weights, harmonics) = convolved("own", degree, None, draw)
    for path, ((i, b, j), y) in enumerate(zip(spec.paths, found, strict=True)):
        a, c = spec.irreps[i][0], spec.irreps[j][0]
        table = sqrt(2 * c + 1) * o3.wigner_3j(a, b, c, dtype=torch.float64)
        weight = weights[..., path * WIDTH : (path + 1) * WIDTH] * edges.mean_weights
        y_b = harmonics[..., b * b : (b + 1) ** 2]
        expected = torch.einsum("zijx,zjux,zijv,uvw->ziwx", weight, h[i], y_b, table)
        assert_close(y, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("neighbours", [None, 2])
@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("name", ["e3nn", *LIBRARIES])
@pytest.mark.usefixtures("doubles")
def test_backends_agree(name, degree, neighbours, generator):
    skip_without(name)
    seed = generator.get_state()

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    found, _ = convolved(name, degree, neighbours, draw)
    generator.set_state(seed)
    assert_close(found, convolved("own", degree, neighbours, draw)[0], rtol=1e-12, atol=1e-12)


def skip_without(name):
    if name in LIBRARIES:
        pytest.importorskip(LIBRARIES[name], exc_type=ImportError)
    if name == "openequivariance" and not torch.cuda.is_available():
        pytest.skip("openequivariance runs on a GPU, and there is none")


def test_weights_fit_every_backend():
    own, other = (nequip.build(SIGNATURE, kernel=name) for name in ("own", "e3nn"))
    assert not any(other.load_state_dict(own.state_dict()))


SIGNATURE = Signature(
    {"mass": SCALAR, "position": POINT, "spin": Rep("1e")},
    {"position": POINT, "force": VECTOR, "torque": Rep("1e+0e")},
)


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_backend_that_is_not_installed_is_refused(name, monkeypatch):
    monkeypatch.setitem(sys.modules, LIBRARIES[name], None)
    with pytest.raises(ValueError, match=rf"kernel '{name}' needs .*remul\[(kernels|{name})\]"):
        nequip.build(SIGNATURE, kernel=name)


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="no kernel 'fast'; there are own, e3nn, cuequivariance"):
        nequip.build(SIGNATURE, kernel="fast")


@pytest.mark.parametrize("neighbours", [None, 2])
@pytest.mark.parametrize("degree", [2, 3])
@pytest.mark.parametrize("model", [segnn, nequip])
def test_higher_degrees_are_exact(model, degree, neighbours, draw, generator):
    shape = f"{degree}{'eo'[degree % 2]}"
    types = {"mass": SCALAR, "position": POINT, "velocity": VECTOR, "shape": Rep(shape)}
    sizes = {"channels": 4, "layers": 2, "degree": degree, "neighbours": neighbours}
    network = model.build(Signature(types, types), **sizes).double()
    inputs = {name: draw(2, 4, rep.dim) for name, rep in types.items()}
    g = E3.sample(inputs, generator)
    assert equivariance_error(network, inputs, network.signature, g).max() < 1e-12


def test_the_papers_segnn_has_the_size_of_the_authors():
    charged = {"charge": SCALAR, "position": POINT, "velocity": VECTOR}
    network = segnn.build(Signature(charged, {"position": POINT}), **segnn.PAPER)
    size = sum(weight.numel() for weight in network.parameters())
    without_effect = 2 * 32 * 32  # in theirs: scalars after the last map, which no vector sees
    assert size == pytest.approx(146_688 - without_effect, rel=0.01)


def test_an_object_in_the_centre_has_no_direction_of_round_off(generator):
    corners = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    inputs = {"position": torch.cat([torch.zeros(1, 3), corners]).expand(20, -1, -1)}
    network = segnn.build(Signature({"position": POINT}, {"force": VECTOR}))
    g = O3.sample(inputs, generator)
    assert equivariance_error(network, inputs, network.signature, g).max() < 1e-4

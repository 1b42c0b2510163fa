"""Steerable maps and convolutions against explicit sums; every kernel against the first."""

import sys
from math import sqrt

import pytest
import torch
from e3nn import o3
from torch.testing import assert_close

from models import nequip, segnn
from models.layers.neighbours import heard
from models.layers.tensor_product_backends import LIBRARIES, Problem, harmonics, kernel
from models.layers.tensor_products import Coupling
from remul import E3, POINT, SCALAR, VECTOR, Rep, Signature, equivariance_error

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
    for fall, after in zip(steerable.fall, steerable.after, strict=True):
        parts = after.weight.chunk(len(fall), 1)
        found |= {degrees_of(path): part for path, part in zip(fall, parts, strict=True)}
    for rise, before in zip(steerable.rise, steerable.before, strict=True):
        found |= {degrees_of(path): lift.weight for path, lift in zip(rise, before, strict=True)}
    return found


def of_degrees(draw, degree, *shape):
    return [draw(*shape, 2 * d + 1, WIDTH) for d in range(degree + 1)]


@every_degree
def test_steerable_maps_are_sums_of_clebsch_gordan_products(degree, draw):
    steerable = segnn.Steerable(WIDTH, [CHANNELS] * (degree + 1)).double()
    torch.nn.init.zeros_(steerable.after[0].bias)
    x, attribute = of_degrees(draw, degree, 1, 1, 1), harmonics(draw(1, 1, 1, 3), degree)
    found = steerable(x, segnn.tables(Coupling(degree), attribute))
    alone = [part[0, 0, 0] for part in x]
    expected = steered(alone, attribute[0, 0, 0], inside(steerable), degree)
    assert_close([y[0, 0, 0] for y in found], expected, rtol=1e-12, atol=1e-12)


@every_degree
@pytest.mark.parametrize("neighbours", [None, 2])
def test_maps_of_pairs_are_those_of_both_objects_and_the_scalars(degree, neighbours, draw):
    first = segnn.FirstOfPairs(WIDTH, [CHANNELS] * (degree + 1), 2).double()
    bond, positions, h = draw(1, 4, 4, 1), draw(1, 4, 3), of_degrees(draw, degree, 1, 4)
    types = {"bond": Rep("0e", objects=2)}
    pairs = heard({"bond": bond}, types, positions, neighbours)
    found = first(h, segnn.Edges(pairs, Coupling(degree)))
    i, k = 2, 1
    j = k if pairs.index is None else pairs.index[0, i, k]
    attribute = harmonics(positions[0, i] - positions[0, j], degree)
    expected = [torch.zeros(2 * c + 1, CHANNELS).double() for c in range(degree + 1)]
    for maps, who in ((first.received, i), (first.sent, j)):
        weights = dict(zip(map(degrees_of, segnn.paths_up_to(degree)), rows(maps), strict=True))
        made = steered([x[0, who] for x in h], attribute, weights, degree)
        paths = [sum(c == d for _, _, c in weights) for d in range(degree + 1)]
        expected = [y + m / sqrt(2 * p) for y, m, p in zip(expected, made, paths, strict=True)]
    squared = (positions[0, i] - positions[0, j]).square().sum()
    known = torch.stack([squared.log1p(), bond[0, i, j, 0]])
    for c, weight in enumerate(first.known):
        expected[c] += attribute[c * c : (c + 1) ** 2, None] * (known @ weight)
    assert_close([y[0, i, k] for y in found], expected, rtol=1e-12, atol=1e-12)


def rows(maps):
    return [part for weigh in maps for part in weigh.weight.split(CHANNELS)]


def convolved(name, degree, neighbours, draw):
    """The convolution of one kernel, and the pairs and features that went in."""
    problem = Problem(degree, WIDTH)
    pairs = heard({}, {}, draw(2, 4, 3), neighbours)
    h = [draw(2, 4, 2 * d + 1, WIDTH) for d, _ in problem.kinds]
    weights = draw(*pairs.apart.shape[:3], len(problem.paths) * WIDTH)
    rung, attribute = kernel(name, problem), harmonics(pairs.apart, degree)
    return rung(h, weights, rung.edges(pairs, attribute)), (problem, pairs, h, weights, attribute)


@every_degree
def test_convolutions_are_means_of_clebsch_gordan_products(degree, draw):
    found, (problem, pairs, h, weights, attribute) = convolved("own", degree, None, draw)
    for path, ((i, b, j), y) in enumerate(zip(problem.paths, found, strict=True)):
        a, c = problem.kinds[i][0], problem.kinds[j][0]
        table = sqrt(2 * c + 1) * o3.wigner_3j(a, b, c, dtype=torch.float64)
        felt = weights[..., path * WIDTH : (path + 1) * WIDTH] * pairs.share
        angular = attribute[..., b * b : (b + 1) ** 2]
        expected = torch.einsum("zijx,zjux,zijv,uvw->ziwx", felt, h[i], angular, table)
        assert_close(y, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("neighbours", [None, 2])
@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("name", ["e3nn", *LIBRARIES])
@pytest.mark.usefixtures("doubles")
def test_kernels_agree(name, degree, neighbours, generator):
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


def test_weights_fit_every_kernel():
    own, other = (nequip.build(SIGNATURE, kernel=name) for name in ("own", "e3nn"))
    assert not any(other.load_state_dict(own.state_dict()))


SIGNATURE = Signature(
    {"mass": SCALAR, "position": POINT, "spin": Rep("1e")},
    {"position": POINT, "force": VECTOR, "torque": Rep("1e+0e")},
)


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_kernel_that_is_not_installed_is_refused(name, monkeypatch):
    monkeypatch.setitem(sys.modules, LIBRARIES[name], None)
    with pytest.raises(ValueError, match=rf"kernel '{name}' needs .*remul\[(kernels|{name})\]"):
        nequip.build(SIGNATURE, kernel=name)


def test_an_unknown_kernel_is_refused():
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
    assert size == pytest.approx(146_688, rel=0.01)

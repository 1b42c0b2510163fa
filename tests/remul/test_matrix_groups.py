"""Finite groups by matrices and groups of the plane: axioms, and measures and losses on them."""

from math import factorial, pi

import pytest
import torch
from torch.testing import assert_close

from remul import (
    Batch,
    MatrixElement,
    MatrixGroup,
    PlanarGroup,
    Rep,
    Signature,
    act,
    consistency_loss,
    cyclic,
    dihedral,
    equivariance_error,
    equivariance_loss,
    expected_error,
    group_average,
    lie_derivative,
    lie_derivative_error,
    quarter_turns,
    shifts,
    symmetric,
)

GROUPS = {
    "C1": (cyclic(1), 1),
    "C6": (cyclic(6), 6),
    "D4": (dihedral(4), 8),
    "S3": (symmetric(3), factorial(3)),
    "S4": (symmetric(4), factorial(4)),
    "shifts": (shifts(3, 4), 12),
    "turns": (quarter_turns(4), 4),
}
every_group = pytest.mark.parametrize("name", GROUPS)
mse = torch.nn.functional.mse_loss


def group(name):
    return MatrixGroup({"space": GROUPS[name][0]})


@every_group
def test_a_group_has_its_order(name):
    assert len(group(name)) == GROUPS[name][1]


@every_group
def test_products_are_elements(name):
    matrices, table = group(name).matrices["space"], group(name).table
    products = matrices[:, None] @ matrices
    assert_close(products, matrices[table], rtol=0, atol=1e-12)


@every_group
def test_the_table_is_a_latin_square_with_the_identity_first(name):
    table, order = group(name).table, torch.arange(len(group(name)))
    assert torch.equal(table[0], order)
    assert torch.equal(table.sort(0).values, order[:, None].expand_as(table))
    assert torch.equal(table.sort(1).values, order.expand_as(table))


@every_group
def test_the_regular_representation_is_one(name):
    regular, table = group(name).regular(), group(name).table
    assert_close(regular[:, None] @ regular, regular[table], rtol=0, atol=0)


@every_group
def test_stacked_rows_intertwine(name, draw):
    """A map with rows pi(g) v for all g turns pi into the regular representation."""
    pi_, regular = group(name).matrices["space"], group(name).regular()
    weight = pi_ @ draw(pi_.shape[-1])  # (order, d)
    assert_close(weight @ pi_, regular @ weight, rtol=0, atol=1e-12)


def test_spaces_are_closed_together():
    """A quarter turn in the plane and a sign: what looks like two elements in one space is four."""
    turn = torch.tensor([[0.0, -1], [1, 0]])
    both = MatrixGroup({"plane": [turn], "sign": [-torch.eye(1)]})
    assert both.matrices["sign"].flatten().tolist() == [1, -1, 1, -1]


@pytest.mark.parametrize(
    "generators",
    [
        {},
        {"a": []},
        {"a": [2 * torch.eye(2)]},
        {"a": [torch.ones(2, 3)]},
        {"a": cyclic(2), "b": []},
    ],
)
def test_what_is_no_group_is_refused(generators):
    with pytest.raises(ValueError, match="generator"):
        MatrixGroup(generators)


def test_a_group_without_end_is_refused():
    angle = torch.tensor(1.0).double()
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)
    with pytest.raises(ValueError, match="more than 1024"):
        MatrixGroup({"plane": [turn]})


RING = Rep("6x0e", objects=0, space="space")
ON_RING = Signature({"x": RING}, {"y": RING})


def convolve(inputs):
    x = inputs["x"]
    return {"y": (x + 2 * x.roll(1, -1)).tanh()}


def skew(inputs):
    return {"y": convolve(inputs)["y"] * torch.linspace(0, 1, 6).double()}


@pytest.fixture
def ring(draw):
    return {"x": draw(5, 6)}


@pytest.mark.parametrize(("model", "exact"), [(convolve, True), (skew, False)])
def test_measures_and_losses_tell_a_symmetry(model, exact, ring, generator):
    g = group("C6").sample(ring, generator)
    batch = Batch(ring, convolve(ring))
    values = [
        equivariance_error(model, ring, ON_RING, g).max(),
        expected_error(model, ring, ON_RING, [g, g.inverse()]).max(),
        consistency_loss(model, ring, ON_RING, g, mse),
        equivariance_loss(model, batch, ON_RING, g, mse),
    ]
    assert all((value < 1e-12) == exact for value in values)


def test_a_mean_over_the_group_has_its_symmetry(ring, generator):
    average = group_average(skew, ON_RING, group("C6").elements())
    g = group("C6").sample(ring, generator)
    assert equivariance_error(average, ring, ON_RING, g).max() < 1e-12


def test_a_mean_leaves_what_has_the_symmetry(ring):
    average = group_average(convolve, ON_RING, group("C6").elements())
    assert_close(average(ring), convolve(ring))


def test_acting_is_a_homomorphism(ring, generator):
    g, h = (group("D4").sample(ring, generator) for _ in range(2))
    types = {"x": Rep("4x0e", objects=0, space="space")}
    x = {"x": ring["x"][:, :4]}
    assert_close(act(g @ h, x, types), act(g, act(h, x, types), types), rtol=0, atol=1e-12)


def test_other_fields_stay(ring, generator):
    g = group("C6").sample(ring, generator)
    types = {"x": RING, "other": Rep("1o")}
    assert torch.equal(
        act(g, {**ring, "other": torch.ones(5, 4, 3)}, types)["other"], torch.ones(5, 4, 3)
    )


@pytest.mark.parametrize("rep", [Rep("6x0e", space="elsewhere"), Rep("5x0e", space="space")])
def test_a_space_that_the_group_does_not_have_is_refused(rep, draw, generator):
    fields = {"x": draw(5, 2, rep.dim)}
    with pytest.raises(ValueError, match="the group element acts on"):
        act(group("C6").sample(fields, generator), fields, {"x": rep})


@pytest.mark.parametrize("matrices", [{}, {"a": torch.ones(2, 2)}, {"a": torch.ones(1, 2, 3)}])
def test_odd_elements_are_refused(matrices):
    with pytest.raises(ValueError, match="an element is matrices"):
        MatrixElement(matrices)


PLANE = {"plane": (1,), "shape": (0, 2)}
PLANAR = Signature(
    {"x": Rep("2x0e", space="plane")},
    {"y": Rep("3x0e", space="shape"), "z": Rep("2x0e", space="plane")},
)


def square(inputs):
    """|z|^2, z^2 and |z| z of a complex number: frequencies 0, 2 and 1."""
    a, b = inputs["x"].unbind(-1)
    y = torch.stack([a * a + b * b, a * a - b * b, 2 * a * b], -1)
    return {"y": y, "z": inputs["x"] * inputs["x"].norm(dim=-1, keepdim=True)}


def broken(inputs):
    return {**square(inputs), "z": inputs["x"] * inputs["x"][..., :1]}


@pytest.mark.parametrize("reflects", [False, True])
@pytest.mark.parametrize(("model", "exact"), [(square, True), (broken, False)])
def test_groups_of_the_plane_tell_a_symmetry(model, exact, reflects, draw, generator):
    inputs = {"x": draw(5, 3, 2)}
    g = PlanarGroup(PLANE, reflects).sample(inputs, generator)
    assert (equivariance_error(model, inputs, PLANAR, g).max() < 1e-12) == exact


def test_half_of_the_elements_reflect(generator):
    inputs = {"x": torch.zeros(1000, 2)}
    signs = torch.linalg.det(PlanarGroup(PLANE, True).sample(inputs, generator).matrices["plane"])
    assert abs(signs.mean()) < 0.2


@pytest.mark.parametrize(("model", "exact"), [(square, True), (broken, False)])
def test_the_lie_derivative_of_the_plane(model, exact, draw):
    inputs, turn = {"x": draw(5, 3, 2)}, PlanarGroup(PLANE).rotation
    assert (lie_derivative_error(model, inputs, PLANAR, [turn]).max() < 1e-12) == exact


def test_the_lie_derivative_is_the_slope_of_the_error(draw):
    inputs, turn = {"x": draw(5, 3, 2)}, PlanarGroup(PLANE).rotation
    step = 1e-6
    slopes = []
    for angle in (step, -step):
        g = turn(torch.tensor([angle], dtype=torch.float64))
        output = broken(act(g, inputs, PLANAR.inputs))
        slopes.append(act(g.inverse(), output, PLANAR.outputs)["z"])
    expected = (slopes[0] - slopes[1]) / (2 * step)
    derivative = lie_derivative(broken, inputs, PLANAR, turn)["z"]
    assert_close(derivative, expected, rtol=1e-6, atol=1e-6)


def test_a_quarter_turn_is_one():
    g = PlanarGroup(PLANE).rotation(torch.tensor([pi / 2], dtype=torch.float64))
    expected = torch.tensor([[[0.0, -1], [1, 0]]]).double()
    assert_close(g.matrices["plane"], expected, rtol=0, atol=1e-12)
    assert_close(
        g.matrices["shape"].diagonal(dim1=1, dim2=2), torch.tensor([[1.0, -1, -1]]).double()
    )


@pytest.mark.parametrize("frequencies", [(), (-1,), (0.5,), 1])
def test_odd_frequencies_are_refused(frequencies):
    with pytest.raises(ValueError, match="whole frequencies"):
        PlanarGroup({"plane": frequencies})


def test_reflections_are_in_the_group_of_the_plane(generator):
    inputs = {"x": torch.zeros(7, 2)}
    g = PlanarGroup(PLANE, True).sample(inputs, generator)
    eye = torch.eye(3).double().expand(7, 3, 3)
    assert_close((g @ g.inverse()).matrices["shape"], eye)


@pytest.mark.parametrize("make", [MatrixGroup, PlanarGroup])
@pytest.mark.parametrize("spaces", [{}, [torch.eye(2)], (1,), 1])
def test_a_group_names_its_spaces(make, spaces):
    with pytest.raises(ValueError, match=r"given by space, one at least; got (none|a )"):
        make(spaces)


@pytest.mark.parametrize("angle", [0.5, torch.tensor(0.5), torch.zeros(2, 1)])
def test_odd_angles_are_refused(angle):
    with pytest.raises(ValueError, match="tensor"):
        PlanarGroup(PLANE).rotation(angle)


MAKERS = {
    "cyclic": cyclic,
    "dihedral": dihedral,
    "symmetric": symmetric,
    "quarter_turns": quarter_turns,
    "shifts": lambda n: shifts(2, n),
}
every_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@every_maker
@pytest.mark.parametrize("n", [0, -1, 3.0, "3", None])
def test_places_are_counted_by_whole_numbers(make, n):
    with pytest.raises(ValueError, match="whole numbers from 1, got"):
        make(n)


@every_maker
def test_matrices_are_made_on_the_cpu_whatever_the_default_device(make):
    with torch.device("meta"):
        made = make(3)
        elements = MatrixGroup({"space": made}).elements()
    assert all(torch.equal(m, wanted) for m, wanted in zip(made, make(3), strict=True))
    assert elements[1].matrices["space"].device.type == "cpu"


@pytest.mark.parametrize("kind", [group("C6"), PlanarGroup(PLANE)])
@pytest.mark.parametrize("seed", [0, None])
def test_a_seed_is_no_generator(kind, seed):
    with pytest.raises(ValueError, match="a generator is needed"):
        kind.sample({"x": torch.zeros(3, 2)}, seed)

"""Groups: uniform by their moments, within their ranges, reproducible.

Tolerances are five standard errors of a mean over `SIZE` elements.
"""

from math import pi, radians

import pytest
import torch

from remul import (
    E3,
    O3,
    SCALAR,
    SE3,
    SO3,
    VECTOR,
    FiniteGroup,
    Permutation,
    Rep,
    about_axis,
    act,
    groups,
    rotations_by_angle,
    wigner,
)
from remul.rotations import rotation_about

SIZE = 20_000
GROUPS = {
    "SO3": SO3, "O3": O3, "SE3": SE3, "E3": E3,
    "about_x": about_axis("x"), "about_y": about_axis("y"), "about_z": about_axis("z"),
    "by_angle": rotations_by_angle(30, 60), "icosahedral": groups.icosahedral,
}  # fmt: skip
HAAR = ["SO3", "O3", "SE3", "E3"]
ORDERS = {"tetrahedral": 12, "octahedral": 24, "icosahedral": 60}
every_group = pytest.mark.parametrize("name", GROUPS)
every_finite_group = pytest.mark.parametrize("name", ORDERS)
every_haar_group = pytest.mark.parametrize("name", HAAR)


def elements(group, generator, size=SIZE):
    return group.sample({"x": torch.zeros(size, 2, 3)}, generator)


def sigmas(values, mean, deviation):
    """How many standard errors the mean of each column is off, at most."""
    return ((values.mean(0) - mean).abs().max() / deviation * len(values) ** 0.5).item()


def angles(rotation):
    trace = rotation.diagonal(dim1=1, dim2=2).sum(-1)
    return ((trace - 1) / 2).clamp(-1, 1).acos()


@every_group
def test_elements_are_orthogonal(name, generator):
    rotation = elements(GROUPS[name], generator, 100).rotation
    assert (rotation @ rotation.mT - torch.eye(3)).abs().max() < 1e-12


@every_group
def test_there_is_one_element_per_sample(name, generator):
    assert len(elements(GROUPS[name], generator, 7)) == 7


@every_group
def test_elements_are_drawn_in_float64(name, generator):
    g = elements(GROUPS[name], generator, 2)
    assert {g.rotation.dtype, g.translation.dtype} == {torch.float64}


@every_group
def test_one_seed_gives_one_set_of_elements(name):
    first, second = (elements(GROUPS[name], torch.Generator().manual_seed(3), 5) for _ in range(2))
    assert torch.equal(first.rotation, second.rotation)


@pytest.mark.parametrize("name", [name for name in GROUPS if name != "icosahedral"])
def test_successive_draws_differ(name, generator):
    first, second = (elements(GROUPS[name], generator, 5) for _ in range(2))
    assert not torch.isclose(first.rotation, second.rotation).flatten(1).all(1).any()


@every_haar_group
def test_haar_entries_have_mean_zero(name, generator):
    entries = elements(GROUPS[name], generator).rotation.flatten(1)
    assert sigmas(entries, 0, (1 / 3) ** 0.5) < 5


@every_haar_group
def test_haar_entries_are_uncorrelated_with_variance_one_third(name, generator):
    entries = elements(GROUPS[name], generator).rotation.flatten(1)
    products = (entries[:, :, None] * entries[:, None]).flatten(1)
    assert sigmas(products, torch.eye(9).double().flatten() / 3, (1 / 5) ** 0.5) < 5


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_haar_characters_have_mean_zero(degree, generator):
    block = wigner(degree, elements(SO3, generator).rotation)
    assert sigmas(block.diagonal(dim1=1, dim2=2).sum(-1, keepdim=True), 0, 1) < 5


def farthest_from_haar(rotation):
    """Kolmogorov's distance times sqrt(size), from the angles' law (angle - sin angle) / pi."""
    angle = angles(rotation).sort().values
    steps = torch.arange(1, len(angle) + 1) / len(angle)
    return ((angle - angle.sin()) / pi - steps).abs().max().item() * len(angle) ** 0.5


def test_haar_traces_follow_their_law(generator):
    assert farthest_from_haar(elements(SO3, generator).rotation) < 2  # 1.95 is one in a thousand


def test_uniform_angles_break_that_law(generator):
    assert farthest_from_haar(elements(rotations_by_angle(0, 180), generator).rotation) > 10


@pytest.mark.parametrize("name", ["SO3", "SE3", "about_x", "about_y", "about_z", "by_angle"])
def test_rotations_do_not_reflect(name, generator):
    assert torch.linalg.det(elements(GROUPS[name], generator, 100).rotation).min() > 0.999


@pytest.mark.parametrize("name", ["O3", "E3"])
def test_half_of_the_elements_reflect(name, generator):
    determinant = torch.linalg.det(elements(GROUPS[name], generator).rotation)
    assert sigmas(determinant[:, None], 0, 1) < 5


@pytest.mark.parametrize("name", ["SE3", "E3"])
def test_translations_have_mean_zero(name, generator):
    assert sigmas(elements(GROUPS[name], generator).translation, 0, 1) < 5


@pytest.mark.parametrize("name", ["SE3", "E3"])
def test_translations_have_variance_one(name, generator):
    assert sigmas(elements(GROUPS[name], generator).translation.square(), 1, 2**0.5) < 5


@pytest.mark.parametrize("name", ["SO3", "O3", "about_x", "by_angle"])
def test_other_groups_do_not_translate(name, generator):
    assert not elements(GROUPS[name], generator, 10).translation.any()


@pytest.mark.parametrize(("axis", "index"), [("x", 0), ("y", 1), ("z", 2)])
def test_about_axis_keeps_its_axis(axis, index, generator):
    rotation = elements(about_axis(axis), generator, 100).rotation
    assert (rotation[:, :, index] - torch.eye(3)[index]).abs().max() < 1e-12


@pytest.mark.parametrize(("axis", "first", "second"), [("x", 1, 2), ("y", 2, 0), ("z", 0, 1)])
def test_about_axis_turns_by_uniform_angles(axis, first, second, generator):
    rotation = elements(about_axis(axis), generator).rotation
    cosine, sine = rotation[:, first, first], rotation[:, second, first]
    turns = torch.stack([cosine, sine, cosine * sine, cosine**2 - sine**2], -1)
    assert sigmas(turns, 0, 0.5**0.5) < 5


@pytest.mark.parametrize(("low", "high"), [(0, 10), (30, 60), (90, 180), (45, 45)])
def test_rotations_by_angle_stay_in_their_range(low, high, generator):
    angle = angles(elements(rotations_by_angle(low, high), generator, 1000).rotation).rad2deg()
    assert low - 1e-5 < angle.min() <= angle.max() < high + 1e-5


def test_rotations_by_angle_are_uniform_in_their_range(generator):
    angle = angles(elements(rotations_by_angle(30, 90), generator).rotation)
    assert sigmas(angle[:, None], radians(60), radians(60) / 12**0.5) < 5


def test_rotations_by_angle_have_uniform_axes(generator):
    rotation = elements(rotations_by_angle(90, 90), generator).rotation
    axis = torch.stack([rotation[:, 2, 1], rotation[:, 0, 2], rotation[:, 1, 0]], -1)
    axis = axis - torch.stack([rotation[:, 1, 2], rotation[:, 2, 0], rotation[:, 0, 1]], -1)
    products = (axis[:, :, None] * axis[:, None] / 4).flatten(1)
    assert sigmas(products, torch.eye(3).double().flatten() / 3, (4 / 45) ** 0.5) < 5


def test_a_rotation_by_no_angle_is_the_identity(generator):
    rotation = elements(rotations_by_angle(0, 0), generator, 10).rotation
    assert torch.equal(rotation, torch.eye(3).double().expand(10, 3, 3))


@pytest.mark.parametrize("axis", ["w", "X", "", 0])
def test_about_axis_refuses_other_axes(axis):
    with pytest.raises(ValueError, match="x, y, z"):
        about_axis(axis)


@pytest.mark.parametrize(
    ("low", "high"), [(-1, 10), (20, 10), (0, 181), (float("nan"), 10), (0, float("nan"))]
)
def test_rotations_by_angle_refuse_impossible_angles(low, high):
    with pytest.raises(ValueError, match="180 degrees"):
        rotations_by_angle(low, high)


@pytest.mark.parametrize(
    "sizes", [{}, {"x": 0}, {"x": 2, "y": 3}], ids=["none", "empty", "different"]
)
def test_elements_need_one_batch_size(sizes, generator):
    with pytest.raises(ValueError, match="one common batch size"):
        SO3.sample({name: torch.zeros(size, 3) for name, size in sizes.items()}, generator)


@pytest.mark.parametrize("name", ["SO3", "E3", "octahedral", "permutations"])
@pytest.mark.parametrize("seed", [0, None])
def test_a_seed_is_no_generator(name, seed):
    with pytest.raises(ValueError, match="a generator is needed"):
        elements(getattr(groups, name), seed, 3)


def rotations(name):
    return torch.cat([g.rotation for g in getattr(groups, name).elements()])


def nearest(turned, name):
    """Index of the nearest element of a group, and the distance to it."""
    apart = (turned[:, None] - rotations(name)).abs().amax((2, 3))
    return apart.argmin(1), apart.amin(1)


@every_finite_group
def test_a_finite_group_has_its_order(name):
    assert (
        len(getattr(groups, name).elements()) == len(rotations(name).unique(dim=0)) == ORDERS[name]
    )


@every_finite_group
def test_a_finite_group_is_closed(name):
    products = (rotations(name)[:, None] @ rotations(name)).flatten(0, 1)
    assert nearest(products, name)[1].max() < 1e-15


@every_finite_group
def test_a_finite_group_has_its_inverses(name):
    inverses = torch.cat([g.inverse().rotation for g in getattr(groups, name).elements()])
    assert nearest(inverses, name)[1].max() < 1e-15


@every_finite_group
def test_a_finite_group_is_orthogonal_to_round_off(name):
    assert (rotations(name) @ rotations(name).mT - torch.eye(3)).abs().max() < 1e-15


@every_finite_group
def test_a_finite_group_does_not_reflect(name):
    assert torch.linalg.det(rotations(name)).min() > 0.999


@every_finite_group
def test_a_finite_group_is_drawn_uniformly(name, generator):
    drawn = elements(getattr(groups, name), generator).rotation
    which, order = nearest(drawn, name)[0], ORDERS[name]
    found = torch.nn.functional.one_hot(which, order).double()
    assert sigmas(found, 1 / order, (1 / order * (1 - 1 / order)) ** 0.5) < 5


@every_group
def test_an_inverse_undoes_its_element(name, generator, draw):
    g = elements(GROUPS[name], generator, 10)
    both = g.inverse() @ g
    assert (both.rotation - torch.eye(3)).abs().max() + both.translation.abs().max() < 1e-12


SET = {"v": VECTOR, "pair": Rep("0e", objects=2), "whole": SCALAR}


@pytest.fixture
def objects(draw):
    """A set of four objects with a pair field, a field of the whole and padding in between."""
    mask = torch.tensor([1.0, 0, 1, 1]).view(1, 4, 1).expand(50, 4, 1)
    fields = {"v": draw(50, 4, 3), "pair": draw(50, 4, 4, 1), "whole": draw(50, 1)}
    return fields | {"mask": mask}


@pytest.fixture
def orders(generator):
    """Two permutations of four objects for each of 50 samples."""
    fields = {"v": torch.zeros(50, 4, 3)}
    return [groups.permutations.sample(fields, generator) for _ in range(2)]


@pytest.mark.parametrize("name", ["v", "pair", "whole", "mask"])
def test_permutations_act_as_a_group(name, objects, orders):
    first, second = orders
    one_by_one = act(second, act(first, objects, SET), SET)
    assert torch.equal(act(second @ first, objects, SET)[name], one_by_one[name])


@pytest.mark.parametrize("name", ["v", "pair", "whole", "mask"])
def test_an_inverse_permutation_undoes_it(name, objects, orders):
    back = act(orders[0].inverse(), act(orders[0], objects, SET), SET)
    assert torch.equal(back[name], objects[name])


def test_a_permutation_moves_pairs_with_their_objects(orders, draw):
    v = draw(50, 4, 3)
    products = (v[:, :, None] * v[:, None]).sum(-1, keepdim=True)
    turned = act(orders[0], {"v": v, "pair": products}, {name: SET[name] for name in ("v", "pair")})
    expected = (turned["v"][:, :, None] * turned["v"][:, None]).sum(-1, keepdim=True)
    assert torch.equal(turned["pair"], expected)


def test_a_single_permutation_serves_all_samples(objects):
    one = Permutation(torch.tensor([[3, 0, 1, 2]]))
    assert torch.equal(act(one, objects, SET)["v"][:, 0], objects["v"][:, 3])


def test_permutations_are_drawn_uniformly(generator):
    order = groups.permutations.sample({"x": torch.zeros(SIZE, 3, 1)}, generator).order
    words = (order * torch.tensor([9, 3, 1])).sum(1).unique(return_inverse=True)[1]
    assert sigmas(torch.nn.functional.one_hot(words, 6).double(), 1 / 6, (5 / 36) ** 0.5) < 5


def test_padded_objects_keep_their_places(objects, generator):
    order = groups.permutations.sample(objects, generator).order
    assert torch.equal(order[:, 1], torch.ones(50).long())


def test_a_permutation_of_other_objects_is_refused(objects):
    with pytest.raises(ValueError, match="field 'v' has objects"):
        act(Permutation(torch.tensor([[1, 0]])), objects, SET)


def test_permutations_need_objects(generator):
    with pytest.raises(ValueError, match="no field has objects"):
        groups.permutations.sample({"whole": torch.zeros(3, 2)}, generator)


@pytest.mark.parametrize("name", ["SO3", "E3", "octahedral", "permutations"])
def test_elements_are_drawn_on_the_cpu_whatever_the_default_device(name, generator):
    group, x = getattr(groups, name), {"x": torch.zeros(3, 4, 3)}
    with torch.device("meta"):
        g = group.sample(x, generator)
    assert {tensor.device.type for tensor in vars(g).values()} == {"cpu"}


def cyclic(order, axis=(0.0, 0.0, 1.0)):
    """The generator of the cyclic group about an axis, and the group."""
    axis = torch.nn.functional.normalize(torch.tensor([axis], dtype=torch.float64), dim=-1)
    turn = rotation_about(axis, torch.tensor([2 * pi / order], dtype=torch.float64))[0]
    return turn, FiniteGroup(turn, turn)


AXES = {"x": (1.0, 0, 0), "y": (0.0, 1, 0), "z": (0.0, 0, 1), "oblique": (1.0, 2, -0.3)}
every_cyclic_group = pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 6, 7, 8, 12, 100])
about_every_axis = pytest.mark.parametrize("axis", AXES.values(), ids=AXES)


@about_every_axis
@every_cyclic_group
def test_a_cyclic_group_has_the_powers_of_its_generator(order, axis):
    turn, group = cyclic(order, axis)
    powers = torch.stack([torch.linalg.matrix_power(turn, k) for k in range(order)])
    found = torch.cat([g.rotation for g in group.elements()])
    assert (found - powers).abs().max() < 1e-15 * (order + 1)


@about_every_axis
@every_cyclic_group
def test_a_cyclic_group_is_orthogonal_to_round_off(order, axis):
    found = torch.cat([g.rotation for g in cyclic(order, axis)[1].elements()])
    assert (found @ found.mT - torch.eye(3)).abs().max() < 2e-15


MIRROR = ((1, 0, 0), (0, 1, 0), (0, 0, -1))


@pytest.mark.parametrize("order", [3, 5, 8])
def test_two_generators_make_the_whole_group(order):
    turn, _ = cyclic(order)
    assert len(FiniteGroup(turn, MIRROR).elements()) == 2 * order


NO_GENERATORS = {
    "in the plane": (((0, -1), (1, 0)), r"three rows of three numbers, got \(2, 2\)"),
    "four rows": (torch.eye(4), r"three rows of three numbers, got \(4, 4\)"),
    "stretched": (2 * torch.eye(3), "orthogonal to 1e-12.* off by 3"),
    "of few digits": (torch.tensor(MIRROR) * 0.99999, "orthogonal to 1e-12"),
    "not a number": (torch.full((3, 3), torch.nan), "orthogonal to 1e-12.* off by nan"),
}


@pytest.mark.parametrize(("rows", "words"), NO_GENERATORS.values(), ids=NO_GENERATORS)
def test_what_is_no_rotation_generates_nothing(rows, words):
    with pytest.raises(ValueError, match=words):
        FiniteGroup(rows, MIRROR)


def test_an_infinite_group_is_refused():
    one_radian = rotation_about(torch.eye(3)[2:].double(), torch.ones(1).double())[0]
    with pytest.raises(ValueError, match="no finite group of at most 360 elements"):
        FiniteGroup(one_radian, one_radian).elements()

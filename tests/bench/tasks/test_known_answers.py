"""Targets of any irreps, and the tasks whose answers are known for a class of models."""

from functools import partial

import pytest
import torch
from e3nn import o3
from torch.testing import assert_close

from bench.core import plugins
from remul import POINT, SO3, Rep, Signature, act

QUADRUPOLE, KCHAIN, ROTSYM, COUNTEREXAMPLE = (
    plugins.load("tasks", name) for name in ("quadrupole", "kchain", "rotsym", "counterexample")
)
SIZES = {"train": 6, "val": 2, "test": 2, "ood": 2}
SAMPLE = pytest.mark.parametrize("task", [KCHAIN, ROTSYM, COUNTEREXAMPLE])


@pytest.fixture
def cloud(draw):
    return {"charge": draw(4, 5, 1), "position": draw(4, 5, 3)}


def test_the_quadrupole_is_the_traceless_tensor(cloud, draw):
    r = cloud["position"] - cloud["position"].mean(1, keepdim=True)
    outer = r.unsqueeze(-1) * r.unsqueeze(-2) - r.square().sum(-1)[..., None, None] / 3 * torch.eye(
        3
    )
    tensor = (cloud["charge"].unsqueeze(-1) * outer).mean(1)
    u = torch.nn.functional.normalize(draw(4, 3), dim=-1)
    harmonics = o3.spherical_harmonics(2, u, normalize=True, normalization="norm")
    expected = 1.5 * torch.einsum("bi,bij,bj->b", u, tensor, u)
    found = (QUADRUPOLE.moments(**cloud)["quadrupole"] * harmonics).sum(-1)
    assert_close(found, expected, rtol=0, atol=1e-12)


def test_the_moments_turn_with_the_cloud(cloud, generator):
    types = QUADRUPOLE.SIGNATURE
    g = SO3.sample(cloud, generator)
    found = QUADRUPOLE.moments(**act(g, cloud, types.inputs))
    expected = act(g, QUADRUPOLE.moments(**cloud), types.outputs)
    assert_close(found, expected, rtol=0, atol=1e-12)


def test_targets_out_of_distribution_are_those_of_the_turned_clouds():
    batch = QUADRUPOLE.load(0, **SIZES).more["ood"].to(torch.float64)
    assert_close(QUADRUPOLE.moments(**batch.inputs), batch.targets, rtol=0, atol=1e-5)


def test_clouds_are_flat_in_training_alone():
    task = QUADRUPOLE.load(0, **SIZES | {"train": 500, "ood": 500})
    height = [b.inputs["position"][..., 2].std() for b in (task.train, task.more["ood"])]
    assert height[0] < 0.4 < 0.5 < height[1]


def distances(task, *options):
    position = task.structures(*options)["position"]
    return torch.cdist(position, position, compute_mode="donot_use_mm_for_euclid_dist")


def seen_along_bonds(links, rounds):
    """Colours of objects by what they hear along bonds, invariants alone: equal or not."""
    fields = KCHAIN.structures(links)
    position, bonded = fields["position"], fields["adjacency"].squeeze(-1).bool()
    apart = position[:, :, None] - position[:, None]
    colours = [[0] * (links + 2)] * 2
    for _ in range(rounds):
        colours = [
            [
                hash(tuple(sorted(
                    (c[j], c[k], round((apart[s, i, j] @ apart[s, i, k]).item(), 6))
                    for j in bonded[s, i].nonzero().flatten().tolist()
                    for k in bonded[s, i].nonzero().flatten().tolist()
                )))
                for i in range(links + 2)
            ]
            for s, c in enumerate(colours)
        ]  # fmt: skip
    return [sorted(c) for c in colours]


@pytest.mark.parametrize("links", [2, 3, 6])
def test_invariant_messages_along_bonds_never_tell_chains_apart(links):
    first, second = seen_along_bonds(links, rounds=10)
    assert first == second


@pytest.mark.parametrize("links", [2, 3, 6])
def test_the_distance_of_the_ends_tells_chains_apart(links):
    first, second = distances(KCHAIN, links)[:, 0, -1]
    assert (first - second).abs() > 0.1


def answers(network, model, degree, task, *options, **hparams):
    """What an untrained network says of a task's structures, a field of some degree."""
    output = {"y": Rep(f"{degree}{'eo'[degree % 2]}", objects=0)}
    position = {"position": task.structures(*options)["position"]}
    net = network(model, Signature({"position": POINT}, output), **hparams)
    return net(position)["y"]


@pytest.mark.parametrize(("fold", "degree"), [(2, 1), (3, 1), (3, 2), (5, 2)])
def test_below_the_fold_no_degree_tells_stars_apart(fold, degree, network):
    first, second = answers(network, "tfn", degree, ROTSYM, fold, channels=8)
    assert (first - second).abs().max() < 1e-10


@pytest.mark.parametrize("fold", [2, 3])
def test_at_the_fold_one_layer_tells_stars_apart(fold, network):
    build = partial(network, degree=fold)
    first, second = answers(build, "tfn", fold, ROTSYM, fold, channels=8, layers=1)
    assert (first - second).abs().max() > 1e-6


@pytest.mark.parametrize("fold", [2, 3, 4])
def test_the_direction_at_the_fold_is_what_the_arms_sum_to(fold):
    position = ROTSYM.structures(fold)["position"]
    arms = position[:, 1:] - position[:, :1]
    sums = o3.spherical_harmonics(fold, arms, normalize=True).sum(1)
    flat, turned = (sums[0] - sums[1]), ROTSYM.harmonic(fold)
    assert_close(flat / flat.norm(), turned / turned.norm(), rtol=0, atol=1e-12)


def power(position, degree):
    """Squared length of the sum of harmonics over the neighbours of the centre: three bodies."""
    return o3.spherical_harmonics(degree, position[:, 1:], normalize=True).sum(1).square().sum(-1)


@pytest.mark.parametrize("degree", range(1, 9))
def test_three_bodies_at_a_time_do_not_tell_the_neighbourhoods_apart(degree):
    first, second = power(COUNTEREXAMPLE.structures(3)["position"], degree)
    assert abs(first - second) < 1e-12


def test_four_bodies_at_a_time_tell_them_apart():
    position = COUNTEREXAMPLE.structures(3)["position"]
    a, b = (o3.spherical_harmonics(d, position[:, 1:], normalize=True).sum(1) for d in (1, 2))
    first, second = torch.einsum("bi,bj,bk,ijk->b", a, a, b, o3.wigner_3j(1, 1, 2).double())
    assert abs(first - second) > 1e-2


def test_distances_from_the_centre_do_not_tell_order_two_apart():
    first, second = distances(COUNTEREXAMPLE, 2)
    assert_close(first[0], second[0])
    assert abs(first[1, 2] - second[1, 2]) > 0.1


@pytest.mark.parametrize("model", ["egnn", "tfn"])
def test_networks_over_all_pairs_tell_them_apart(model, network):
    first, second = answers(network, model, 0, COUNTEREXAMPLE, 3, channels=8, layers=1)
    assert (first - second).abs().max() > 1e-6


@SAMPLE
def test_either_structure_comes_as_often(task):
    batch = task.load(0, **SIZES).train
    (target,) = batch.targets.values()
    rows = target if target.shape[-1] == 1 else target @ target[:1].T
    assert (rows > 0).sum() == 3


@SAMPLE
def test_bonds_are_as_long_as_they_should_be_in_any_order(task):
    inputs = task.load(0, **SIZES).test.inputs
    length = torch.cdist(inputs["position"], inputs["position"])
    assert_close(length[inputs["adjacency"].squeeze(-1) == 1].unique().mean(), torch.tensor(1.0))
    assert (inputs["adjacency"].sum((1, 2)) == inputs["adjacency"][:1].sum()).all()


@SAMPLE
def test_targets_have_mean_square_one(task):
    (target,) = task.load(0, **SIZES).train.targets.values()
    assert_close(target.square().mean(), torch.tensor(1.0))


@pytest.mark.parametrize(
    ("task", "option", "value"),
    [
        (QUADRUPOLE, "charges", 1),
        (KCHAIN, "links", 1),
        (ROTSYM, "fold", 1),
        (ROTSYM, "degree", 4),
        (COUNTEREXAMPLE, "order", 4),
        (COUNTEREXAMPLE, "train", 0),
        (QUADRUPOLE, "turn_deg", 200.0),
    ],
)
def test_bad_options_are_refused(task, option, value):
    with pytest.raises(ValueError, match=str(value)):
        task.load(0, **SIZES | {option: value})

"""The search for neighbours: trees and cell lists against all distances."""

import pytest
import torch
from torch.testing import assert_close

from models.layers import search
from models.layers.search import (
    find_images,
    find_nearest,
    find_nearest_of_samples,
    find_within,
    pair_all,
)

SAMPLE = torch.arange(3).repeat_interleave(torch.tensor([20, 1, 30]))
SHIFTS = torch.cartesian_prod(*[torch.arange(-4, 5)] * 3)


def pairs_of(edges):
    return sorted(zip(edges.receivers.tolist(), edges.senders.tolist(), strict=True))


def test_all_pairs_are_those_of_one_sample():
    same = (SAMPLE[:, None] == SAMPLE) & ~torch.eye(len(SAMPLE)).bool()
    assert pairs_of(pair_all(SAMPLE)) == [tuple(pair) for pair in same.nonzero().tolist()]


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e6])
def test_pairs_within_a_cutoff_are_exact_in_any_unit(unit, draw):
    x = draw(len(SAMPLE), 3) * unit
    near = torch.cdist(x, x) < unit
    near &= (SAMPLE[:, None] == SAMPLE) & ~torch.eye(len(SAMPLE)).bool()
    expected = [tuple(pair) for pair in near.nonzero().tolist()]
    assert pairs_of(find_within(x, SAMPLE, unit)) == expected


@pytest.mark.parametrize("sizes", [[40, 3, 1, 9, 2, 40], [5, 7], [1]])
def test_the_nearest_of_samples_of_any_size_are_those_of_each_alone(sizes, draw):
    sample = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    x, expected = draw(len(sample), 3), []
    for first, points in zip(
        torch.tensor([0, *sizes]).cumsum(0).tolist(), x.split(sizes), strict=False
    ):
        edges = find_nearest_of_samples(points, torch.zeros(len(points)).long(), 4)
        expected += [(first + i, first + j) for i, j in pairs_of(edges)]
    edges = find_nearest_of_samples(x, sample, 4)
    assert pairs_of(edges) == sorted(expected)
    assert (edges.receivers.diff() >= 0).all()


def test_a_large_sample_costs_small_ones_nothing(draw, monkeypatch):
    padded = []
    monkeypatch.setattr(
        search,
        "_rank_others",
        lambda x, *rest, rank=search._rank_others: padded.append(x.shape) or rank(x, *rest),
    )
    sample = torch.tensor([0] * 200 + [1 + i // 8 for i in range(80)])
    find_nearest_of_samples(draw(280, 3), sample, 2)
    assert {shape[:2] for shape in padded} == {(1, 200), (10, 8)}


def test_pairs_come_by_receiver(draw):
    edges = find_within(draw(len(SAMPLE), 3), SAMPLE, 1.0)
    assert (edges.receivers.diff() >= 0).all()


@pytest.mark.parametrize("periodic", [0, 1, 2, 3])
def test_images_are_exact_along_any_number_of_axes(periodic, draw):
    x, sample = draw(8, 3), torch.tensor([0] * 5 + [1] * 3)
    cells = 2 * torch.eye(3).double() + 0.2 * draw(2, 3, 3)
    cells[:, periodic:] = 0
    edges = find_images(x, sample, cells, 1.9)
    shifts = SHIFTS[(SHIFTS[:, periodic:] == 0).all(1)]
    images = x[:, None] + shifts.double() @ cells[sample]
    near = (images - x[:, None, None]).norm(dim=-1) < 1.9  # (receivers, senders, shifts)
    near &= (sample[:, None] == sample).unsqueeze(-1)
    near &= ~(torch.eye(8).bool().unsqueeze(-1) & (shifts == 0).all(-1))
    vectors = x[edges.senders] - x[edges.receivers]
    vectors = vectors + (edges.shift.unsqueeze(-1) * cells[sample[edges.receivers]]).sum(1)
    assert len(edges.senders) == near.sum()
    assert vectors.norm(dim=-1).max() < 1.9
    rows = torch.stack([*edges[:2], *edges.shift.T])
    assert len(rows.unique(dim=1).T) == near.sum()


@pytest.mark.parametrize("count", [1, 5, 60])
def test_the_nearest_of_a_tree_are_those_of_all_distances(count, draw, generator, monkeypatch):
    x, real = draw(2, 70, 3), torch.rand(2, 70, generator=generator) > 0.1
    x[0, 10:20] = x[0, 10]  # more at one place than are asked for
    expected, sends = find_nearest(x, real, count)
    monkeypatch.setattr(search, "TREE", 0)
    found, found_sends = find_nearest(x, real, count)

    def matrix(index, sends):
        near = torch.zeros(2, 70, 70, dtype=torch.long).scatter_add_(2, index, sends.long())
        return near[real]

    assert_close(matrix(found, found_sends), matrix(expected, sends))


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch's own
def test_a_search_is_possible_under_transforms_but_vmap(draw):
    x = draw(4, 3)

    def total(x):
        edges = find_within(x, torch.zeros(4, dtype=torch.long), 2.0)
        return (x[edges.senders] - x[edges.receivers]).square().sum()

    _, slope = torch.func.jvp(total, (x,), (torch.ones_like(x),))
    assert_close(slope, torch.zeros_like(slope), atol=1e-12, rtol=0)
    assert torch.func.grad(total)(x).isfinite().all()
    assert torch.func.vmap(lambda x: torch.tensor(search.can_read(x)))(x[None]).logical_not().all()

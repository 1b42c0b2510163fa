"""The distance between partitions, against a search through every matching."""

from itertools import permutations

import pytest
import torch

from bench.data.partitions import count_overlaps, partition_distance


def by_search(first, second):
    """Elements outside the best matching of groups, of all matchings there are."""
    overlap = count_overlaps(first, second)
    size = max(overlap.shape)
    square = torch.zeros(size, size, dtype=torch.long)
    square[: overlap.shape[0], : overlap.shape[1]] = overlap
    columns = torch.arange(size)
    matchings = [int(square[columns, torch.tensor(p)].sum()) for p in permutations(range(size))]
    return len(first) - max(matchings)


@pytest.mark.parametrize("seed", range(20))
def test_it_is_that_of_the_best_matching(seed):
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randint(4, (2, 9), generator=generator)
    assert partition_distance(first, second) == by_search(first, second)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_symmetric(seed):
    first, second = torch.randint(5, (2, 12), generator=torch.Generator().manual_seed(seed))
    assert partition_distance(first, second) == partition_distance(second, first)


def test_names_of_groups_do_not_count():
    first = torch.tensor([0, 0, 1, 2, 2])
    assert partition_distance(first, 7 - 3 * first) == 0


def test_all_apart_and_all_together_are_farthest():
    assert partition_distance(torch.arange(6), torch.zeros(6).long()) == 5

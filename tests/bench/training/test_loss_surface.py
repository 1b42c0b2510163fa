"""The loss surface: filter-normalised directions, exact values on a quadratic, nothing moved."""

import pytest
import torch
from torch import nn

from bench.training.loss_surface import draw_direction, evaluate_around


@pytest.fixture
def model(generator):
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(0)
        return nn.Sequential(nn.Conv1d(3, 4, 2), nn.Flatten(), nn.Linear(4, 5)).double()


def squares(moved):
    """A loss that is the weight of one linear layer, squared: f(1) of a layer without bias."""
    return moved(torch.eye(2, dtype=torch.float64)).square().sum().item()


@pytest.fixture
def quadratic():
    return nn.Linear(2, 3, bias=False).double()


@pytest.mark.parametrize("name", ["0.weight", "2.weight"])
def test_filters_of_a_direction_have_the_norms_of_the_weights(name, model, generator):
    weight, found = dict(model.named_parameters())[name], draw_direction(model, generator)[name]
    assert torch.allclose(found.flatten(1).norm(dim=1), weight.flatten(1).norm(dim=1))


def test_biases_stay_where_they_are(model, generator):
    assert draw_direction(model, generator).keys() == {"0.weight", "2.weight"}


def test_directions_follow_from_the_generator(model):
    first, second = (draw_direction(model, torch.Generator().manual_seed(1)) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_two_draws_are_two_directions(model, generator):
    first, second = (draw_direction(model, generator)["2.weight"] for _ in range(2))
    assert not torch.allclose(first, second)


def test_a_zero_filter_does_not_move(model, generator):
    nn.init.zeros_(model[2].weight)
    assert not draw_direction(model, generator)["2.weight"].any()


def test_a_plane_has_the_values_of_the_loss(quadratic, generator):
    ways = [draw_direction(quadratic, generator) for _ in range(2)]
    at = [-1.0, 0.0, 0.5]
    w, (d, e) = quadratic.weight.detach(), (way["weight"] for way in ways)
    expected = [[(w + a * d + b * e).square().sum().item() for b in at] for a in at]
    found = evaluate_around(quadratic, squares, ways, at)
    assert torch.allclose(found, torch.tensor(expected, dtype=torch.float64))


def test_a_line_is_the_middle_of_its_plane(quadratic, generator):
    ways, at = [draw_direction(quadratic, generator) for _ in range(2)], [-1.0, 0.0, 1.0]
    plane = evaluate_around(quadratic, squares, ways, at)
    assert torch.allclose(evaluate_around(quadratic, squares, ways[:1], at), plane[:, 1])


def test_the_model_stays_as_it_was(quadratic, generator):
    before = quadratic.weight.detach().clone()
    evaluate_around(quadratic, squares, [draw_direction(quadratic, generator)], [-1.0, 1.0])
    assert torch.equal(quadratic.weight, before)

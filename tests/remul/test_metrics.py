"""Measures of equivariance: closed forms of a constant offset, an exact and a broken model."""

from math import sqrt

import pytest
import torch
from torch.testing import assert_close

from remul import (
    E3,
    SO3,
    VECTOR,
    Element,
    Signature,
    equivariance_error,
    error_over_floor,
    expected_error,
    interval,
    mean_error,
)
from remul.metrics import errors

SIGNATURE = Signature({"x": VECTOR}, {"y": VECTOR})
MEASURES = {"mean_error": mean_error, "expected_error": expected_error}
NAMES = ["equivariance_error", "mean_error", "expected_error"]
every_measure = pytest.mark.parametrize("name", NAMES)


def quarter_turns(count):
    """Turns by `count` quarters about z, one for all samples."""
    turn = torch.tensor([[[0, -1, 0], [1, 0, 0], [0, 0, 1]]], dtype=torch.float64)
    return Element(torch.linalg.matrix_power(turn, count), torch.zeros(1, 3, dtype=torch.float64))


FOUR_TURNS = [quarter_turns(count) for count in range(4)]


def offset(inputs):
    """f(x) = x + c with c = (1, 0, 0): f(g x) - g f(x) = c - R c."""
    return {"y": inputs["x"] + torch.tensor([1.0, 0, 0], dtype=torch.float64)}


def at(*points):
    """One sample with one object at each point."""
    return {"x": torch.tensor([points], dtype=torch.float64)}


def draws(inputs, generator, group=E3, count=5):
    return [group.sample(inputs, generator) for _ in range(count)]


@pytest.mark.parametrize(("count", "size"), [(0, 0), (1, sqrt(2)), (2, 2), (3, sqrt(2))])
@pytest.mark.parametrize("measure", MEASURES)
def test_an_offset_has_the_error_of_its_turn(measure, count, size):
    error = MEASURES[measure](offset, at((3, 3, 0)), SIGNATURE, [quarter_turns(count)])
    assert_close(error, torch.tensor([size]).double())


@pytest.mark.parametrize(("count", "size"), [(0, 0), (1, sqrt(2)), (2, 2), (3, sqrt(2))])
def test_the_relative_error_is_over_the_output(count, size):
    error = equivariance_error(offset, at((3, 3, 0)), SIGNATURE, quarter_turns(count))
    assert_close(error, torch.tensor([size / 5]).double())  # |f(x)| = |(4, 3, 0)| = 5


def test_expected_error_is_the_mean_of_the_norms():
    error = expected_error(offset, at((3, 3, 0)), SIGNATURE, FOUR_TURNS)
    assert_close(error, torch.tensor([(2 + 2 * sqrt(2)) / 4]).double())


def test_mean_error_is_the_norm_of_the_mean():
    error = mean_error(offset, at((3, 3, 0)), SIGNATURE, FOUR_TURNS)
    assert_close(error, torch.tensor([1.0]).double())  # the turned offsets cancel


def test_a_mean_over_haar_rotations_leaves_the_offset(generator):
    elements = [SO3.sample({"x": torch.zeros(1, 1)}, generator) for _ in range(2000)]
    error = mean_error(offset, at((3, 3, 0)), SIGNATURE, elements)
    assert abs(error.item() - 1) < 5 / sqrt(3 * 2000)  # five standard errors


@pytest.mark.parametrize("measure", MEASURES)
def test_norms_run_over_the_whole_sample(measure):
    error = MEASURES[measure](offset, at((3, 3, 0), (0, 0, 5)), SIGNATURE, [quarter_turns(2)])
    assert_close(error, torch.tensor([2 * sqrt(2)]).double())


def test_norms_run_over_all_output_fields():
    signature = Signature({"x": VECTOR}, {"y": VECTOR, "z": VECTOR})
    error = expected_error(
        lambda x: {"z": offset(x)["y"], "y": offset(x)["y"]},
        at((3, 3, 0)), signature, [quarter_turns(2)],
    )  # fmt: skip
    assert_close(error, torch.tensor([2 * sqrt(2)]).double())


@every_measure
def test_there_is_one_number_per_sample(name, exact, vectors, generator):
    assert errors(*arguments(exact, vectors, generator))[name].shape == (5,)


def arguments(case, vectors, generator):
    model, signature = case
    return model, vectors, signature, draws(vectors, generator)


@every_measure
def test_exact_models_pass(name, exact, vectors, generator):
    assert errors(*arguments(exact, vectors, generator))[name].max() < 1e-12


@every_measure
def test_broken_models_fail(name, broken, vectors, generator):
    assert errors(*arguments(broken, vectors, generator))[name].min() > 1e-2


def test_mean_error_is_at_most_expected_error(broken, vectors, generator):
    found = errors(*arguments(broken, vectors, generator))
    assert (found["mean_error"] <= found["expected_error"] + 1e-12).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_measures_alone_are_those_of_one_pass(measure, broken, vectors, generator):
    given = arguments(broken, vectors, generator)
    assert torch.equal(MEASURES[measure](*given), errors(*given)[measure])


@pytest.mark.parametrize("measure", ["mean_error", "expected_error"])
def test_one_element_may_come_alone(measure, broken, vectors, generator):
    model, inputs, signature, (g, *_) = arguments(broken, vectors, generator)
    measured = MEASURES[measure]
    assert torch.equal(
        measured(model, inputs, signature, g), measured(model, inputs, signature, [g])
    )


@pytest.mark.parametrize("at_once", [2, 5])
def test_elements_that_share_a_pass_measure_the_same(at_once, broken, vectors, generator):
    model, signature = broken
    elements = draws(vectors, generator)
    alone, together = (errors(model, vectors, signature, elements, n) for n in (1, at_once))
    assert_close(alone, together)


def test_the_relative_error_is_averaged_over_elements(broken, vectors, generator):
    model, inputs, signature, elements = arguments(broken, vectors, generator)
    each = [equivariance_error(model, inputs, signature, g) for g in elements]
    found = errors(model, inputs, signature, elements)["equivariance_error"]
    assert_close(found, torch.stack(each).mean(0))


@pytest.mark.parametrize(
    ("name", "factor"), [("equivariance_error", 1), ("mean_error", 8), ("expected_error", 8)]
)
def test_only_the_relative_error_ignores_units(name, factor, broken, vectors, generator):
    model, inputs, signature, elements = arguments(broken, vectors, generator)
    scaled = errors(lambda x: {"y": 8 * model(x)["y"]}, inputs, signature, elements)[name]
    assert_close(scaled, factor * errors(model, inputs, signature, elements)[name])


@every_measure
def test_errors_are_those_of_real_objects(name, draw):
    mask = torch.tensor([1.0, 0, 1, 0]).view(1, 4, 1).expand(5, 4, 1)
    x = torch.where(mask.bool(), draw(5, 4, 3), float("nan"))
    expected = errors(offset, {"x": x[:, ::2]}, SIGNATURE, FOUR_TURNS)[name]
    found = errors(offset, {"x": x, "mask": mask}, SIGNATURE, FOUR_TURNS)[name]
    assert_close(found, expected)


@every_measure
def test_a_model_of_zeros_has_no_error(name):
    found = errors(lambda inputs: {"y": 0 * inputs["x"]}, at((1, 0, 0)), SIGNATURE, FOUR_TURNS)
    assert found[name].item() == 0


def test_the_relative_error_over_nothing_is_infinite():
    def half_space(inputs):
        return {"y": inputs["x"].clamp_min(0)}

    error = equivariance_error(half_space, at((-1, 0, 0)), SIGNATURE, quarter_turns(2))
    assert error.item() == float("inf")


@every_measure
def test_elements_may_come_from_an_iterator(name):
    listed = errors(offset, at((3, 3, 0)), SIGNATURE, FOUR_TURNS)[name]
    assert torch.equal(errors(offset, at((3, 3, 0)), SIGNATURE, iter(FOUR_TURNS))[name], listed)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_measure_needs_an_element(measure):
    with pytest.raises(ValueError, match="at least one group element"):
        MEASURES[measure](offset, at((3, 3, 0)), SIGNATURE, [])


def test_errors_name_the_field():
    with pytest.raises(ValueError, match="'x' has 2 components"):
        equivariance_error(lambda _: {}, at((3, 3)), SIGNATURE, quarter_turns(1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.full((1, 2, 3), float("nan")), "'x' holds a NaN"),
        (torch.zeros(0, 2, 3), "batch size of at least 1.*'x'"),
    ],
)
def test_bad_inputs_are_named(name, x, message):
    with pytest.raises(ValueError, match=message):
        errors(offset, {"x": x}, SIGNATURE, FOUR_TURNS)[name]


def identity(inputs):
    return {"y": inputs["x"]}


def test_an_exact_model_is_at_the_floor(exact, vectors, generator):
    model, inputs, signature, elements = arguments(exact, vectors, generator)
    found = error_over_floor(model, model, inputs, signature, elements)
    assert found.max() < 10


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_floor_is_at_least_the_machine_epsilon(dtype):
    inputs = {name: x.to(dtype) for name, x in at((3, 3, 0)).items()}
    found = error_over_floor(offset32, identity, inputs, SIGNATURE, [quarter_turns(2)])
    assert_close(found, torch.tensor([2 / 5 / torch.finfo(dtype).eps], dtype=dtype))


def offset32(inputs):
    return {"y": offset(inputs)["y"].to(inputs["x"])}


def test_the_interval_is_about_the_mean(draw, generator):
    values = draw(50)
    found = interval(values, generator)
    assert found.low < found.mean < found.high
    assert found.mean == values.mean()


def test_the_interval_has_the_width_of_the_standard_error(draw, generator):
    values = draw(400)
    found = interval(values, generator, 0.95)
    assert_close(found.high - found.low, 2 * 1.96 * values.std() / 20, rtol=0.1, atol=0)


def test_the_interval_covers_at_its_level(draw, generator):
    found = [interval(draw(30), generator, 0.8) for _ in range(200)]
    covered = sum(bool(each.low < 0 < each.high) for each in found)
    assert 140 < covered < 180


def test_equal_values_have_no_interval(generator):
    found = interval(torch.ones(5), generator)
    assert (found.low, found.high) == (1, 1)


@pytest.mark.parametrize(
    ("values", "level"),
    [
        (torch.ones(0), 0.9),
        (torch.ones(2, 2), 0.9),
        (torch.ones(2), 1.0),
        (torch.tensor([1.0, float("nan")]), 0.9),
    ],
)
def test_intervals_need_values_and_a_level(values, level, generator):
    with pytest.raises(ValueError, match="an interval needs"):
        interval(values, generator, level)


def test_an_interval_of_low_precision_is_that_of_its_values(draw, generator):
    values = draw(20).abs().bfloat16()
    low = interval(values, generator)
    assert_close(low.mean, values.float().mean())
    assert low.low < low.mean < low.high


INFINITE = {
    "one of few": ([1.0, 2.0, torch.inf], (1.0, torch.inf)),
    "every": ([torch.inf, torch.inf], (torch.inf, torch.inf)),
    "negative": ([-torch.inf, 1.0], (-torch.inf, 1.0)),
    "one of many": ([1.0] * 200 + [torch.inf], (1.0, torch.inf)),
}


@pytest.mark.parametrize(("values", "ends"), INFINITE.values(), ids=INFINITE)
def test_an_interval_of_infinite_values_has_ends(values, ends, generator):
    found = interval(torch.tensor(values), generator)
    assert (found.low.item(), found.high.item()) == ends


@pytest.mark.parametrize("count", [7, 1500])
def test_draws_in_parts_are_those_of_one(count, draw, generator):
    values = draw(count)
    found = interval(values, generator.manual_seed(1))
    drawn = torch.randint(count, (2000, count), generator=generator.manual_seed(1))
    levels = values.new_tensor([(1 - 0.95) / 2, (1 + 0.95) / 2])
    ends = values[drawn].mean(-1).quantile(levels)
    assert torch.equal(torch.stack(found[1:]), ends)


def test_many_values_are_drawn_in_parts(generator, monkeypatch):
    sizes = []

    def pretend(_, size, **__):
        sizes.append(size)
        return torch.zeros(size, dtype=torch.int64)

    monkeypatch.setattr(torch, "randint", pretend)
    interval(torch.ones(20_000), generator)
    assert sum(rows for rows, _ in sizes) == 2000
    assert max(rows * columns for rows, columns in sizes) <= 2**21

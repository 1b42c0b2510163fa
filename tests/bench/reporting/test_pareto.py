"""Errors against equivariance errors: which of many rows are named."""

from math import sqrt

import pytest
from made_records import make
from msgspec.structs import replace

from bench.reporting import figures
from bench.reporting.aggregate import frame, summary, with_speed
from bench.reporting.figures.pareto import CROWD, NAMED, SPAN, front, pareto
from bench.reporting.figures.style import short_names


def name_rows(exact, *more):
    """The names in the first panel of so many exact rows and two others, the second worse."""
    records = [make("egnn", 0, 1e-3 + 1e-5 * i, hparams={"channels": i + 1}) for i in range(exact)]
    records += [
        make("gnn", 0, error, method) for method, error in (("remul", 2e-3), ("plain", 9e-3))
    ]
    records += more
    return [text.get_text() for text in pareto(summary(frame(records)), "t").axes[0].texts]


def test_a_few_rows_all_have_names():
    assert len(name_rows(5)) == 7


def test_a_name_ends_with_steps_that_are_not_those_of_most_rows():
    steps = {"egnn": 1500, "gnn": 1500, "painn": 50_000, "tfn": 750}
    records = [make(model, seed, 1e-3, steps=n) for model, n in steps.items() for seed in range(3)]
    names = short_names(summary(frame(records)))
    assert sorted(names) == ["egnn", "gnn", "painn, 50k", "tfn, 750 steps"]


def test_of_a_crowd_the_best_have_exact_or_not():
    names = name_rows(CROWD)
    assert sum("egnn" in name for name in names) == NAMED
    assert [name for name in names if name.startswith("gnn")] == ["gnn remul"]


def test_of_a_crowd_rows_that_another_optimiser_helped_stay_out():
    helped = make("egnn", 0, 1e-6, optimiser="muon")
    assert "egnn + muon" in name_rows(5, helped)
    assert not [name for name in name_rows(CROWD, helped) if "muon" in name]


def rescore(record, **scores):
    return replace(record, scores=record.scores | scores)


def test_what_is_exact_for_the_size_of_its_output_stands_with_the_exact_rows():
    large = rescore(make("painn", 0, 1e-3), expected_error_test=3e-4, expected_error_ood=3e-4)
    table = summary(frame([large, make("egnn", 0, 2e-3), make("gnn", 0, 3e-3)]))
    (ax, _) = pareto(table, "t").axes
    points = sorted(
        float(x) for line in ax.lines for x in line.get_xdata() if line.get_marker() == "o"
    )
    assert points == pytest.approx([0.1 / 12] * 2 + [0.1])


def test_rows_without_equivariance_errors_have_no_figure():
    scores = {"mse_val": 1.0, "mse_test": 1.0}
    assert pareto(summary(frame([replace(make("gnn", 0, 1.0), scores=scores)])), "t") is None


@pytest.mark.parametrize("draw", [front, pareto])
def test_one_row_alone_has_no_figure(draw):
    records = [make(model, seed, 1e-3) for model in ("egnn", "gnn") for seed in (0, 1)]
    assert draw(with_speed(summary(frame(records))), "t") is not None
    assert draw(with_speed(summary(frame(records[:2]))), "t") is None


def test_one_time_alone_stands_in_the_middle_of_its_axis():
    ms = 0.28451669296197607  # matplotlib may make both ends of it, one bit apart
    records = [make(model, 0, 1e-3, ms=ms, steps=4) for model in ("egnn", "gnn")]
    figure = front(with_speed(summary(frame(records))), "t")
    for low, high in (ax.get_xlim() for ax in figure.axes):
        assert (ms / low, high / ms) == pytest.approx((sqrt(SPAN), sqrt(SPAN)))


def test_a_disturbed_time_stands_on_no_front(tmp_path):
    rows = {"egnn": (1e-3, "C"), "gnn": (2e-3, "A"), "painn": (3e-3, "B")}
    records = [make(name, 0, error, quality=mark) for name, (error, mark) in rows.items()]
    table = figures._rows(tmp_path, records, frame(records))["front"]
    for ax in front(table, "t").axes:
        assert {text.get_text() for text in ax.texts} == {"gnn", "painn"}


@pytest.mark.parametrize(
    ("errors", "numbers"),
    [((0.09, 0.25), ["0.02", "0.05", "0.1", "0.2"]), ((0.002, 0.3), ["0.001", "0.01", "0.1"])],
)
def test_equivariance_errors_have_two_numbers_or_more(errors, numbers):
    records = [make("egnn", 0, 1e-3)]
    records += [make("gnn", 0, 1e-3, "remul", options={"beta": e}, symmetry=e) for e in errors]
    figure = pareto(summary(frame(records)), "t")
    texts = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert texts == ["exact", *numbers]

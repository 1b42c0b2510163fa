"""Figures of searches over the learning rate and of budgets of copies."""

from dataclasses import replace

import pytest
from msgspec import structs

from bench import Plugin, Run
from bench.records.run_record import Profiles, blank_record
from bench.reporting.aggregate import frame
from bench.reporting.figures import _rows
from bench.reporting.figures.budget import budget
from bench.reporting.figures.optimisers import optimisers, read_searches

RUN = Run(Plugin("nbody_gravity"), Plugin("transformer"), Plugin("plain"), steps=5)
KINDS = ("mse", "expected_error", "mean_error", "equivariance_error")


def record(run, error, **parts):
    scores = {f"{kind}_test": error for kind in KINDS} | {"mse_val": error}
    return structs.replace(blank_record(run), scores=scores, seconds=1.0, **parts)


def augmented(copies, seed):
    run = replace(RUN, method=Plugin("augment", {"copies": copies}), seed=seed)
    profiles = Profiles(pose_deg=[7.5, 22.5], error_by_pose=[0.1 / copies, 0.2])
    return record(run, 1 / copies, profiles=profiles)


def rows_of(records, tmp_path):
    return _rows(tmp_path, records, frame(records))


@pytest.fixture
def budgets():
    exact = replace(RUN, model=Plugin("egnn"))
    others = [record(replace(RUN, method=Plugin("augment"), seed=s), 0.05) for s in range(2)]
    copies = [augmented(k, seed) for k in (1, 4, 16) for seed in range(2)]
    return [*copies, *others, *(record(replace(exact, seed=s), 1e-5) for s in range(2))]


def test_a_budget_is_drawn_in_three_panels(budgets, tmp_path):
    figure = budget(rows_of(budgets, tmp_path)["budget"], "t")
    accuracy, _, poses = figure.axes
    assert [tick.get_text() for tick in accuracy.get_xticklabels()] == ["1", "4", "16"]
    assert len(poses.lines) == 3


def test_without_a_budget_there_is_no_figure(tmp_path):
    records = [record(replace(RUN, seed=seed), 1.0) for seed in range(2)]
    assert budget(rows_of(records, tmp_path)["budget"], "t") is None


@pytest.fixture
def searched():
    return [
        record(replace(RUN, optimiser=optimiser, lr=lr, seed=seed), error * 10**seed)
        for optimiser in ("adam", "muon")
        for lr, error in ((1e-4, 0.3), (1e-3, 0.1), (1e-2, 0.2))
        for seed in range(2)
    ]


def test_a_search_is_the_mean_over_seeds_by_rate(searched):
    (search,) = read_searches(frame(searched))
    assert search["optimisers"]["muon"]["lr"] == [1e-4, 1e-3, 1e-2]
    assert search["optimisers"]["muon"]["test"] == pytest.approx([1.65, 0.55, 1.1])


def test_a_star_marks_what_validation_chooses(searched):
    (panel,) = optimisers(read_searches(frame(searched)), "t").axes
    stars = [line for line in panel.lines if line.get_marker() == "*"]
    assert [line.get_xdata()[0] for line in stars] == [1e-3, 1e-3]


def test_a_rate_that_some_seeds_have_not_survived_is_left_out(searched):
    (search,) = read_searches(frame(searched[:5]))
    assert search["optimisers"]["adam"]["lr"] == [1e-4, 1e-3]


def test_an_old_version_is_not_averaged_in(searched):
    old = [structs.replace(r, key="00000001") for r in searched]
    worse = [structs.replace(r, scores=dict.fromkeys(r.scores, 9.0)) for r in old]
    assert read_searches(frame([*worse, *searched])) == read_searches(frame(searched))


def test_a_search_without_validation_is_none(searched):
    bare = [structs.replace(r, scores={"mse_test": 1.0}) for r in searched]
    assert read_searches(frame(bare)) == []


def test_one_rate_is_no_search(searched):
    assert optimisers(read_searches(frame(searched[:2])), "t") is None

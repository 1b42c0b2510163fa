"""Figures of scaling laws and of a network's switch."""

from dataclasses import replace
from functools import partial

import pytest
from msgspec import structs

from bench import Plugin, Run
from bench.records.run_record import blank_record
from bench.reporting.aggregate import frame, summary
from bench.reporting.figures import _rows
from bench.reporting.figures.scaling import scaling
from bench.reporting.figures.style import FREE
from bench.reporting.figures.switch import read_settings, switch
from bench.reporting.scaling_laws import bootstrap_laws, read_learners

RUN = Run(Plugin("nbody_charged"), Plugin("transformer"), Plugin("plain"), steps=100)
KINDS = ("mse", "expected_error", "mean_error", "equivariance_error")


def record(run, error, **counters):
    scores = {f"{kind}_test": error for kind in KINDS} | {"mse_val": error}
    return structs.replace(blank_record(run), scores=scores, counters=counters, seconds=1.0)


def grid(model, sizes=(16, 32, 64), lengths=(100, 300, 900)):
    """Errors 40 N^-0.5 + 30 D^-0.5, disturbed a little by the seed."""
    for channels in sizes:
        parameters = 10 * channels**2
        for steps in lengths:
            for seed in range(2):
                run = replace(RUN, model=Plugin(model, {"channels": channels}), steps=steps)
                error = 40 * parameters**-0.5 + 30 * (64 * steps) ** -0.5
                counters = {"parameters": parameters, "step_flops": 384 * parameters}
                yield record(replace(run, seed=seed), error * (1 + seed / 20), **counters)


@pytest.mark.slow
def test_scaling_has_a_line_for_every_learner_and_its_exponents():
    learners = read_learners([*grid("transformer"), *grid("egnn")])
    compute, data, _, exponents = scaling(learners, "t").axes
    assert [len(ax.lines) for ax in (compute, data)] == [4, 2]  # of runs and of their law
    assert [text.get_text()[:4] for text in exponents.texts] == ["0.25"] * 2 + ["0.50"] * 4


def retrain(records, factor, **changes):
    """The same runs, otherwise trained, with errors so many times as large."""
    for one in records:
        scores = {name: factor * score for name, score in one.scores.items()}
        run = replace(one.run, **changes)
        yield structs.replace(blank_record(run), scores=scores, counters=one.counters, seconds=1.0)


def test_of_a_search_a_law_has_the_best_rate():
    slow, fast = list(grid("transformer")), retrain(grid("transformer"), 0.5, lr=1e-2)
    (alone,) = read_learners([*retrain(slow, 0.5)])
    (learner,) = read_learners([*slow, *fast])
    assert learner["error"] == alone["error"]


def test_another_optimiser_is_another_learner():
    other = retrain(grid("transformer"), 2.0, optimiser="muon")
    learners = read_learners([*grid("transformer"), *other])
    assert [one["method"] for one in learners] == ["plain", "plain + muon"]


def test_too_few_lengths_are_no_law():
    assert read_learners([*grid("transformer", lengths=(100, 300))]) == []


@pytest.mark.parametrize(
    "counters", [{"parameters": None}, {"step_flops": None}, {"step_flops": 0}]
)
def test_runs_without_counters_are_no_law(counters):
    bare = [structs.replace(r, counters=r.counters | counters) for r in grid("transformer")]
    assert scaling(read_learners(bare), "t") is None


def test_more_learners_than_colours_are_drawn(monkeypatch):
    quick = partial(bootstrap_laws, draws=1)
    monkeypatch.setitem(scaling.__globals__, "bootstrap_laws", quick)
    records = list(grid("transformer"))
    more = [
        structs.replace(r, run=replace(r.run, method=Plugin("remul", {"beta": beta})))
        for beta in range(len(FREE))
        for r in records
    ]
    assert scaling(read_learners([*records, *more]), "t")


def settings(tmp_path, *switches):
    runs = [replace(RUN, model=Plugin("rapidash", {"equivariance": s})) for s in switches]
    records = [record(run, 1.0 + i) for i, run in enumerate(runs)]
    return _rows(tmp_path, records, frame(records))["switch"]


def test_a_switch_has_its_settings_by_error(tmp_path):
    (ax,) = switch(settings(tmp_path, "distances", "translations"), "t").axes
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert names == ["translations", "distances"]


def test_an_option_that_only_looks_like_a_switch_is_none():
    table = summary(frame([record(RUN, 1.0)])).assign(label="mine(equivariance=['a'])")
    assert read_settings(table) == []


def test_one_setting_is_no_switch(tmp_path):
    assert switch(settings(tmp_path, "distances"), "t") is None

"""The figure of dynamics: the rows that ran any, seed by seed."""

import made_records
from msgspec.structs import replace

from bench.records.run_record import Profiles
from bench.reporting.aggregate import frame, summary
from bench.reporting.figures.energy_drift import energy_drift, read_drifts

CURVE = {"picoseconds": [0.0, 1.0, 2.0], "energy_drift": [0.0, 0.1, 0.2]}


def drifts(*curves):
    own = [Profiles(own=curve) for curve in curves]
    records = [
        replace(made_records.make("painn", seed, 0.1), profiles=profiles)
        for seed, profiles in enumerate(own)
    ]
    return read_drifts(summary(frame(records)), records)


def test_seeds_of_a_row_are_lines():
    (drift,) = drifts(CURVE, CURVE)
    assert drift["seeds"] == [CURVE, CURVE]
    assert len(energy_drift([drift], "t").axes[0].lines) == 2


def test_runs_without_dynamics_have_no_figure():
    assert energy_drift(drifts({}), "t") is None


def test_times_alone_are_no_line():
    assert drifts({"picoseconds": CURVE["picoseconds"]}) == []


def test_a_molecule_that_flew_apart_at_once_is_no_line():
    first = {name: values[:1] for name, values in CURVE.items()}
    assert drifts(first) == []

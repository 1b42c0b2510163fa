"""Which rows have a curve of errors by angle."""

from made_records import make
from msgspec.structs import replace

from bench.records.run_record import Profiles
from bench.reporting.aggregate import frame, summary
from bench.reporting.figures.profiles import mean_profiles

PROFILES = Profiles(angles_deg=[0.0, 90.0], expected_error_by_angle=[0.0, 3e-4])


def test_what_is_exact_for_the_size_of_its_output_has_no_profile():
    records = [replace(make(model, 0, 1.0), profiles=PROFILES) for model in ("painn", "gnn")]
    scores = records[0].scores | {"expected_error_test": 3e-4}
    records[0] = replace(records[0], scores=scores)
    assert [p["row"] for p in mean_profiles(summary(frame(records)), records)] == ["gnn"]


def test_a_row_of_other_than_the_usual_steps_says_so():
    steps = {"gnn": 500, "mlp": 500, "transformer": 20_000}
    records = [replace(make(m, 0, 1.0, steps=n), profiles=PROFILES) for m, n in steps.items()]
    names = {p["row"] for p in mean_profiles(summary(frame(records)), records)}
    assert names == {"gnn", "mlp", "transformer, 20k"}

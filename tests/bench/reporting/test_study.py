"""What a sentence of the findings says of two rows, and how sure."""

import pytest
from made_records import make, make_rows
from msgspec.structs import replace

from bench.reporting.comparisons import ErrorRatio
from bench.reporting.findings import CONFIRMED, OPEN, REFUTED, claims, collect_evidence
from bench.reporting.study import Study
from bench.reporting.verdicts import ALIKE, Comparison, judge


def study(seeds, **rows):
    (evidence,) = collect_evidence(make_rows(seeds, **rows))
    return Study(evidence, "machine")


@pytest.mark.parametrize(("seeds", "said"), [(3, "; 3 seeds)"), (5, ")")])
def test_a_ratio_names_its_seeds_where_they_are_few(seeds, said):
    one = study(seeds, egnn=1e-3, gnn=5e-3)
    ratio = one.compare(one.row("egnn"), one.row("gnn"))
    assert ratio.ratio.ratio == pytest.approx(0.2, rel=0.05)
    assert str(ratio).endswith(said)
    assert ratio.less == ("hint: " if seeds == 3 else "") + CONFIRMED
    assert ratio.seeds == seeds


def test_what_is_undecided_is_no_hint():
    assert judge(OPEN, 2) == OPEN


def test_a_row_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="has 0 rows"):
        study(3, egnn=1e-3).row("egnn", "augment")


def test_usual_steps_are_those_of_most_rows_and_then_the_longest():
    one = study(3, egnn={"error": 1e-3, "steps": 500}, gnn={"error": 1e-3, "steps": 34000})
    assert one.evidence.usual_steps == 34000
    rows = {"gnn__plain": {"error": 1e-3, "steps": 500}, "gnn__remul": 1e-3}
    assert study(3, egnn={"error": 1e-3, "steps": 500}, **rows).evidence.usual_steps == 500


def test_what_was_not_measured_is_absent():
    one = study(3, egnn=1e-3)
    assert one.error(one.row("egnn"), "squared_error_median_ood") == "–"


def test_an_error_has_three_digits_also_near_a_limit_of_ratios():
    records = [make("egnn", seed, error) for seed, error in enumerate((1.1016e-3, 1.1024e-3))]
    (evidence,) = collect_evidence(records)
    one = Study(evidence, "machine")
    assert one.error(one.row("egnn")) == "1.1 (1.1 to 1.11)"


def test_a_claim_is_weighed_by_its_two_rows_on_both_kinds_of_poses():
    one = study(5, egnn=1e-3, gnn__plain=3e-3, gnn__remul=1.2e-3)
    weighed = one.weigh(claim_of(one, "REMUL is competitive"))
    assert weighed["names"][:2] == ["gnn with remul", "egnn"]
    assert (weighed["within"], weighed["seeds"], weighed["median"]) == ("no", 5, "–")
    ratio, turned, *_ = weighed["numbers"]
    assert ratio.startswith("1.2")
    assert turned == ratio


def test_what_is_within_or_not_by_few_seeds_is_a_hint():
    one = study(3, egnn=1e-3, gnn__remul=2e-3)
    assert one.weigh(claim_of(one, "REMUL is competitive"))["within"] == "hint: no"


def test_a_claim_of_speed_names_the_slowest_and_the_fastest_that_errs_less():
    times = {"tfn": 12.0, "egnn": 6.0}
    exact = {name: {"error": 1e-3, "ms": ms} for name, ms in times.items()}
    one = study(5, **exact, gnn__remul={"error": 2e-3, "ms": 2.0})
    weighed = one.weigh(claim_of(one, "REMUL is up to 10 times"))
    assert weighed["names"][:3] == ["gnn with remul", "tfn", "egnn"]
    assert [ratio.partition(" ")[0] for ratio in weighed["numbers"][:2]] == ["6", "3"]


def test_medians_are_weighed_where_they_were_measured():
    records = [
        replace(r, scores=r.scores | {"squared_error_median_test": 3 * r.scores["mse_test"]})
        for r in make_rows(5, spread=1e-6, egnn=1e-3, gnn__remul=2e-3)
    ]
    (evidence,) = collect_evidence(records)
    one = Study(evidence, "machine")
    assert one.weigh(claim_of(one, "REMUL is competitive"))["median"].startswith("2 (")


def test_a_mean_within_ten_per_cent_of_a_larger_median_is_undecided():
    medians = {"egnn": 1e-5, "gnn": 2e-5}
    records = [
        replace(r, scores=r.scores | {"squared_error_median_test": medians[r.run.model.stem]})
        for r in make_rows(5, egnn=1e-3, gnn__remul=1e-3)
    ]
    (evidence,) = collect_evidence(records)
    weighed = Study(evidence, "machine").weigh(
        claim_of(Study(evidence, "machine"), "REMUL is competitive")
    )
    assert (weighed["within"], weighed["turned"]) == (OPEN, "yes")


def claim_of(one, beginning):
    (claim,) = (claim for claim in claims([one.evidence]) if claim.claim.startswith(beginning))
    return claim


@pytest.mark.parametrize(
    ("low", "high", "less", "more"),
    [
        (0.8, 0.99, CONFIRMED, REFUTED),
        (1.01, 1.05, f"{REFUTED}, but {ALIKE}", f"{CONFIRMED}, but {ALIKE}"),
        (1.01, 1.2, REFUTED, CONFIRMED),
        (0.92, 1.09, ALIKE, ALIKE),
        (0.92, 1.11, OPEN, OPEN),
        (0.90, 1.09, OPEN, OPEN),
    ],
)
@pytest.mark.parametrize(("seeds", "hint"), [(5, ""), (3, "hint: ")])
def test_a_verdict_is_of_the_whole_interval(low, high, less, more, seeds, hint):
    ratio = Comparison(ErrorRatio(1.0, low, high, 0.1, seeds))
    hints = {OPEN: OPEN}
    assert ratio.less == hints.get(less, hint + less)
    assert ratio.more == hints.get(more, hint + more)


def test_ratios_seed_by_seed():
    records = [make(name, s, e) for name, errors in TWO.items() for s, e in enumerate(errors)]
    (evidence,) = collect_evidence(records)
    one = Study(evidence, "machine")
    assert one.by_seed(one.row("egnn"), one.row("gnn")) == "0.5, 2"


TWO = {"egnn": (1e-3, 4e-3), "gnn": (2e-3, 2e-3, 1e-3)}


def test_rates_that_two_ways_of_training_share_are_compared():
    errors = {("remul", 500): {1e-3: 1.0, 1e-2: 3.0}, ("augment", 1000): {1e-2: 2.0, 3e-2: 1.0}}
    records = [
        make("gnn", seed, error * (1 + seed), method, steps=steps, lr=rate)
        for (method, steps), rates in errors.items()
        for rate, error in rates.items()
        for seed in range(3)
    ]
    others = [make("gnn", 0, 9.0, "remul", steps=500, lr=1e-2, optimiser="muon")]
    (evidence,) = collect_evidence([*records, *others])
    ((rate, ratio),) = Study(evidence, "machine").compare_rates(
        ("gnn", "remul", 500), ("gnn", "augment", 1000)
    )
    assert (rate, ratio.seeds) == (1e-2, 3)
    assert ratio.ratio.ratio == pytest.approx(1.5)

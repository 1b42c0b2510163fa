"""What a sentence of the findings says of two rows, and how sure."""

import pytest
from made_records import make_rows

from bench.reporting.findings import CONFIRMED, OPEN, claims, collect_evidence
from bench.reporting.study import Study, judge


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


def test_what_was_not_measured_is_absent():
    one = study(3, egnn=1e-3)
    assert one.error(one.row("egnn"), "squared_error_median_ood") == "–"


def test_a_claim_is_weighed_by_its_two_rows_on_both_kinds_of_poses():
    one = study(5, egnn=1e-3, gnn__plain=3e-3, gnn__remul=1.2e-3)
    (accurate,) = (c for c in claims([one.evidence]) if c.claim.startswith("REMUL is as acc"))
    weighed = one.weigh(accurate)
    assert (weighed["row"], weighed["other"]) == ("gnn with remul", "egnn")
    assert (weighed["within"], weighed["seeds"]) == ("no", "5")
    assert weighed["ratio"].startswith("1.2")
    assert weighed["turned"] == weighed["ratio"]

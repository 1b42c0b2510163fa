"""Tables from records made by hand: means, speed-ups, published numbers, failures."""

import dataclasses
import json
from math import isnan

import pytest
from made_records import make
from msgspec.structs import replace

from bench.core import plugins
from bench.core.config import Plugin, Run
from bench.records.run_record import blank_record
from bench.records.timings import Timing
from bench.reporting import aggregate, formats, published, runs_table
from bench.timing.samples import LIMITS

SESSION = "2026-01-01T00:00:00+00:00"


def made(model, seed, mse, ms, session=SESSION, quality="A", **kwargs):
    run = Run(Plugin("nbody_gravity"), Plugin(model, kwargs), Plugin("plain"), seed=seed)
    record = blank_record(run)
    samples = [ms, ms, 1.5 * ms]  # a machine that slows down in the third round
    told = Timing(median_ms=ms, samples_ms=samples, quality=quality, session=session)
    scores = {
        f"{kind}_{split}": mse
        for kind in ("mse", "expected_error", "mean_error", "equivariance_error")
        for split in ("test", "ood")
    }
    scores["equivariance_error_test"] = 1e-7 if record.equivariant else 0.1
    return replace(
        record,
        scores=scores,
        timings={"train_step": told, "inference": told},
        counters={"parameters": 7, "flops": 8, "dispatched_ops": 9},
    )


def rows(found):
    table = aggregate.with_speed(aggregate.summary(aggregate.frame(found)))
    return {row["model"]: row for _, row in table.iterrows()}


def test_scores_are_means_with_the_deviation_of_a_sample():
    found = [made("egnn", 0, 1.0, 1.0), made("egnn", 1, 3.0, 1.0)]
    row = rows(found)["egnn"]
    assert (row["mse_test"], row["mse_test_std"], row["seeds"]) == (2.0, 2**0.5, 2)


def test_the_baseline_is_the_most_accurate_equivariant_model():
    found = [made("drift", 0, 9.0, 1.0), made("egnn", 0, 1.0, 6.0), made("gnn", 0, 0.5, 2.0)]
    assert rows(found)["gnn"]["inference_faster"] == 3.0


def test_a_speed_up_is_the_median_over_rounds():
    egnn, gnn = made("egnn", 0, 1.0, 6.0), made("gnn", 0, 0.5, 2.0)
    gnn.timings["inference"] = replace(
        gnn.timings["inference"], median_ms=3.0, samples_ms=[2.0, 3.0, 3.0]
    )
    assert rows([egnn, gnn])["gnn"]["inference_faster"] == 3.0


def beside(record, key, ratio):
    """The record with times of a session of its own, `ratio` times those of a row."""
    related = {"session": f"{SESSION}{ratio}", "beside": key, "ratios": [ratio] * 3}
    return replace(record, timings={k: replace(t, **related) for k, t in record.timings.items()})


def test_a_row_beside_both_relates_two_sessions():
    egnn, gnn = made("egnn", 0, 1.0, 6.0), made("gnn", 0, 0.5, 2.0)
    found = [beside(egnn, "k", 3.0), beside(gnn, "k", 0.5)]
    assert rows(found)["gnn"]["inference_faster"] == 6.0


def test_sessions_without_a_row_in_common_are_not_related():
    egnn, gnn = made("egnn", 0, 1.0, 6.0), made("gnn", 0, 0.5, 2.0)
    found = [beside(egnn, "k", 3.0), beside(gnn, "other", 0.5)]
    assert isnan(rows(found)["gnn"]["inference_faster"])


def test_a_trivial_model_is_no_baseline():
    found = [made("drift", 0, 0.1, 1.0), made("gnn", 0, 0.5, 2.0)]
    assert aggregate.baseline(aggregate.summary(aggregate.frame(found))) is None


def test_a_claim_that_the_error_belies_is_no_baseline():
    liar = made("egnn", 0, 0.1, 1.0)
    liar.scores["equivariance_error_test"] = 0.1
    assert aggregate.baseline(aggregate.summary(aggregate.frame([liar]))) is None


def test_records_of_another_version_are_another_row():
    old = replace(made("egnn", 0, 1.0, 1.0), key="0" * 8)
    table = aggregate.summary(aggregate.frame([old, made("egnn", 1, 3.0, 1.0)]))
    assert sorted(table["method"]) == ["plain", "plain + old version"]


def test_an_old_version_hides_no_seed_of_the_current_one():
    old = [replace(made("egnn", seed, 5.0, 1.0), key="f" * 8) for seed in range(4)]
    table = aggregate.summary(aggregate.frame([*(made("egnn", s, 1.0, 1.0) for s in (0, 1)), *old]))
    assert dict(zip(table["method"], table["seeds"], strict=True)) == {
        "plain": 2,
        "plain + old version": 4,
    }


def test_an_old_version_is_no_baseline():
    old = replace(made("egnn", 0, 0.1, 1.0), key="f" * 8)
    found = [old, made("egnn", 0, 1.0, 1.0)]
    assert aggregate.baseline(aggregate.summary(aggregate.frame(found)))["method"] == "plain"


def test_a_method_is_one_by_whatever_path():
    found = [made("egnn", seed, 1.0, 1.0) for seed in (0, 1)]
    paths = ["/somewhere/mine.py", "mine.py"]
    found = [
        replace(one, key="f" * 8, run=dataclasses.replace(one.run, method=Plugin(path)))
        for one, path in zip(found, paths, strict=True)
    ]
    assert rows(found)["egnn"][["method", "seeds"]].tolist() == ["mine", 2]


def test_a_copy_of_a_record_counts_once():
    found = [made("egnn", 0, 1.0, 1.0)] * 2
    assert rows(found)["egnn"]["seeds"] == 1


@pytest.mark.parametrize(("old", "seeds"), [("", [1]), ("f" * 8, [1, 1])])
def test_a_run_made_for_its_surface_is_a_row_where_it_repeats_none(old, seeds):
    plain = made("egnn", 0, 1.0, 1.0)
    drawn = blank_record(dataclasses.replace(plain.run, surface=3))
    found = [replace(drawn, scores=plain.scores), replace(plain, key=old or plain.key)]
    assert aggregate.summary(aggregate.frame(found))["seeds"].tolist() == seeds


def test_the_mean_is_that_of_the_seeds_that_have_the_score():
    found = [made("egnn", seed, error, 1.0) for seed, error in enumerate((1.0, 3.0, 5.0))]
    del found[2].scores["mse_ood"]
    row = rows(found)["egnn"]
    assert (row["mse_ood"], row["mse_ood_std"], row["mse_test"]) == (2.0, 2**0.5, 3.0)


def test_every_split_has_a_column(tmp_path):
    record = made("egnn", 0, 1.0, 1.0)
    record.scores["mse_far"] = 0.25
    assert "| FAR MSE x 1e3 |" in shown([record], tmp_path)


def test_scores_of_the_task_have_columns_with_their_spread(tmp_path):
    found = [made("egnn", seed, 1.0, 1.0) for seed in (0, 1)]
    for record, value in zip(found, (0.1, 0.3), strict=True):
        record.scores["partition_distance"] = value
    text = shown(found, tmp_path)
    assert "| partition_distance |" in text
    assert "| 0.200 ± 0.141 |" in text


def test_scores_of_fields_with_units_say_them(tmp_path):
    record = made("egnn", 0, 1.0, 1.0)
    record.scores["force_mae"] = 3.0
    of_forces = dataclasses.replace(record.run, task=Plugin("md_gfn2_forces"))
    assert "| force_mae kcal/mol/Å |" in shown([replace(record, run=of_forces)], tmp_path)


@pytest.mark.parametrize(
    ("text", "heading"), [('UNITS = {"force": "N"}', "force_mae N"), ("def", "force_mae")]
)
def test_units_are_those_of_a_file_by_its_path(text, heading, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(text)
    record = made("egnn", 0, 1.0, 1.0)
    record.scores["force_mae"] = 3.0
    own = dataclasses.replace(record.run, task=Plugin(str(file)))
    assert f"| {heading} |" in shown([replace(record, run=own)], tmp_path)


def test_rows_of_one_name_are_told_apart():
    small = made("egnn", 0, 1.0, 1.0)
    large = made("egnn", 0, 1.0, 1.0, channels=128)
    assert set(rows([small, large])) == {"egnn", "egnn(channels=128)"}


def test_a_disturbed_timing_gives_no_speed_up():
    found = [made("egnn", 0, 1.0, 6.0), made("gnn", 0, 0.5, 2.0, quality="C")]
    assert rows(found)["gnn"]["inference_faster"] != 3.0


def test_a_disturbed_timing_is_explained_where_there_is_one(tmp_path):
    egnn = made("egnn", 0, 1.0, 6.0)
    assert "disturbed" not in shown([egnn], tmp_path)
    noisy = made("gnn", 0, 0.5, 2.0, quality="C")
    assert f"- {formats.DISTURBED}, kept out of every ratio" in shown([egnn, noisy], tmp_path)


def test_what_counts_as_disturbed_is_what_the_clock_calls_so():
    shares = {name: f"{limit:.0%}".replace("%", " %") for name, (_, limit) in LIMITS.items()}
    assert shares["spread"] == shares["drift"] == shares["lag"]
    assert f"spread, drift or time off the processor of {shares['spread']}" in formats.DISTURBED
    assert f"a median {shares['excess']} above the best" in formats.DISTURBED
    assert f"clock {shares['clock']} apart" in formats.DISTURBED


def test_a_speed_up_says_which_direction_is_faster(tmp_path):
    assert "(above 1 is faster) than egnn" in shown([made("egnn", 0, 1.0, 6.0)], tmp_path)


def test_timings_of_two_sessions_give_no_speed_up():
    found = [made("egnn", 0, 1.0, 6.0), made("gnn", 0, 0.5, 2.0, session="another")]
    assert rows(found)["gnn"]["inference_faster"] != 3.0


def shown(found, folder, form="md"):
    return runs_table.write_runs_table(folder / "machine", found, form, None)


@pytest.mark.parametrize("form", ["text", "md", "latex"])
def test_published_numbers_carry_their_label(form, tmp_path):
    text = shown([made("transformer", 0, 1e-3, 1.0)], tmp_path, form)
    assert "8.99 / 27.1 [B]" in text


def test_latex_escapes_what_it_would_read():
    columns = [formats.Column(name, name, formats.word) for name in ("a_b", "c")]
    table = formats.fill_table("t", columns, [{"a_b": "x #3f & {1}", "c": "5 %"}], [])
    text = formats.format_tables([table])["latex"]
    assert r"a\_b & c \\" in text
    assert r"x \#3f \& \{1\} & 5 \% \\" in text


def test_published_models_without_a_run_have_a_row(tmp_path):
    assert "| gatr | plain | – |" in shown([made("egnn", 0, 1.0, 1.0)], tmp_path)


def test_a_failed_run_is_named_below_the_table(tmp_path):
    failed = replace(made("gnn", 0, 1.0, 1.0), status="oom", reason="too large")
    text = shown([made("egnn", 0, 1.0, 1.0), failed], tmp_path)
    assert "not finished: gnn plain, seed 0: oom: too large" in text


def test_a_cell_without_a_finished_run_is_a_row_with_its_status(tmp_path):
    failed = replace(made("gnn", 0, 1.0, 1.0), status="oom", reason="too large", scores={})
    text = shown([made("egnn", 0, 1.0, 1.0), failed], tmp_path)
    assert "| gnn | plain | 2,000 | 0 | oom |" in text


def test_failed_runs_alone_still_make_a_table(tmp_path):
    failed = replace(made("gnn", 0, 1.0, 1.0), status="oom", reason="too large", scores={})
    assert "oom: too large" in shown([failed], tmp_path)


def test_a_narrow_terminal_gets_two_blocks(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = shown([made("egnn", 0, 1.0, 1.0)], tmp_path, "text")
    table = text.partition("\nmean ±")[0]
    assert max(map(len, table.splitlines())) <= 80
    assert text.count("egnn ") >= 2


def test_published_numbers_have_a_source_and_a_label():
    for task in json.loads(published.FILE.read_text()).values():
        assert task["source"]
        assert all(row["label"] in "ABCD" for row in task["rows"])


@pytest.mark.parametrize(("kind", "part"), [("models", "model"), ("methods", "method")])
def test_published_rows_are_of_our_plug_ins(kind, part):
    tasks = json.loads(published.FILE.read_text()).values()
    assert {row[part] for task in tasks for row in task["rows"]} <= {*plugins.names(kind)}


def test_other_data_have_none_of_the_published_numbers():
    assert published.errors("nbody_charged(val=500)")
    assert not published.errors("nbody_charged(bars=[[0, 1]], val=500)")
    assert published.source("nbody_charged(bars=[[0, 1]])") is None


def test_a_network_without_a_step_has_a_dash_beside_a_timed_one(tmp_path):
    exact = made("egnn", 1, 1.0, 1.0, layers=1)
    exact = replace(exact, timings={"inference": exact.timings["inference"]})
    for found in ([made("egnn", 0, 2.0, 1.0), exact], [made("egnn", 0, 0.5, 1.0), exact]):
        table = runs_table.write_runs_table(tmp_path, found, "md", None)
        (row,) = [line for line in table.splitlines() if line.startswith("| egnn(layers=1)")]
        assert f"| {formats.ABSENT} | 1 | {formats.ABSENT} | 1 |" in row


HOSTILE = "net(act=a|b) x^2~$\\q _y_ {z} <b> `c` *d* \x1b[31m\n](http://e)"


@pytest.mark.parametrize("form", formats.FORMS)
def test_a_name_is_shown_as_it_is_in_every_form(form):
    column = formats.Column("model", "model", formats.word)
    table = formats.fill_table(HOSTILE, [column, column], [{"model": HOSTILE}], [HOSTILE])
    text = formats.format_tables([table])[form]
    assert "\x1b" not in text
    assert text.count("act=a") == 4
    wanted = {
        "text": r"net(act=a|b) x^2~$\q _y_ {z} <b> `c` *d* \x1b[31m\x0a](http://e)",
        "md": r"net(act=a\|b) x^2\~\$\\q \_y\_ {z} \<b> \`c\` \*d\* \\x1b[31m\\x0a\](http://e)",
        "latex": r"net(act=a\textbar{}b) x\textasciicircum{}2\textasciitilde{}\$\textbackslash{}q "
        r"\_y\_ \{z\} \textless{}b\textgreater{}",
    }
    assert wanted[form] in text


def test_a_spreadsheet_computes_no_cell():
    text = formats.format_csv([{"a": "=1+1", "b": "@x\n", "c": -1.5, "d": "x-1"}], "abcd")
    assert text == "a,b,c,d\n'=1+1,'@x\\x0a,-1.5,x-1\n"


def test_a_row_without_an_error_is_no_baseline():
    egnn = made("egnn", 0, 1.0, 1.0)
    lost = replace(egnn, scores={k: v for k, v in egnn.scores.items() if k != "mse_test"})
    assert aggregate.baseline(aggregate.summary(aggregate.frame([lost]))) is None


def test_a_score_beyond_all_integers_of_64_bits_is_a_number():
    record = make("egnn", 0, 1e-3)
    large = replace(record, scores=record.scores | {"mse_val": 10**30})
    assert aggregate.summary(aggregate.frame([large]))["mse_val"].tolist() == [1e30]

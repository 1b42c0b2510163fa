"""Writes the answer in README.md, its sentences and its table, from the published records.

`python docs/make_readme.py` from the checkout; a test compares what it makes with what is there.
"""

import re
import sys
from itertools import permutations
from pathlib import Path
from statistics import median

import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.records.run_store import RunStore  # noqa: E402 - after the path of the checkout
from bench.reporting import aggregate, formats  # noqa: E402
from bench.reporting.comparisons import compare_errors, mean_interval  # noqa: E402
from bench.reporting.findings.evidence import say_interval  # noqa: E402
from bench.reporting.tuning import TUNED  # noqa: E402

PAGE = ROOT / "README.md"
MACHINE = ROOT / "results" / "published" / "amd-epyc-2c-2f40"
TASK = "nbody_gravity(val=500)"
STEPS = 1500
SEEDS = 3  # a row with fewer has no interval
EQUAL_COMPUTE = ("transformer", "augment", 2 * STEPS)
REMUL = ("transformer", "remul(beta=10)", STEPS)
ROWS = (
    ("painn", "plain", STEPS),
    ("gatr_slim", "plain", STEPS),
    ("egnn", "plain", STEPS),
    ("transformer", "plain", STEPS),
    ("transformer", "augment", STEPS),
    EQUAL_COMPUTE,
    REMUL,
    ("gnn", "remul(beta=10)", STEPS),
)
LONG = 50_000  # the paper's steps
LONG_AUGMENT, LONG_REMUL = ("transformer", "augment", 2 * LONG), (*REMUL[:2], LONG)
LONG_EXACT = ("egnn", "plain", LONG)
MANY = "nbody_gravity(train=10000, val=500)"  # of `data_size`
SCORE, MEDIAN = "mse_ood", "squared_error_median_ood"
TUNED_STEPS = 500  # of `optimisers`
UNCONSTRAINED = ("gnn", "mlp", "mpnn", "transformer")  # of `models` and `rivals`
BLOCK = re.compile(r"(<!-- answer: docs/make_readme\.py -->\n).*?(<!-- /answer -->)", re.DOTALL)


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(fill(PAGE.read_text()))


def fill(page: str) -> str:
    """Return the page with the answer that today's records give."""
    every = aggregate.frame(RunStore(MACHINE).load()[0])
    every = every[every["status"] == "done"]
    runs, many = (every[every["task"] == task] for task in (TASK, MANY))
    table = aggregate.with_speed(aggregate.summary(runs.dropna(axis="columns", how="all")))
    table = table[table["seeds"] >= SEEDS]
    tuned = say_tuned(runs, table[table["method"].str.endswith(aggregate.AND + TUNED)])
    table = aggregate.keep_usual(table)
    table = table[table["steps"] <= 2 * STEPS]
    length = f"{say_length(runs)} {say_many(many)}"
    answer = "\n".join([*sentences(runs, table, length, tuned), "", *markdown(table)])
    return BLOCK.sub(lambda block: f"{block[1]}{answer}\n{block[2]}", page)


def sentences(runs: pd.DataFrame, table: pd.DataFrame, length: str, tuned: str) -> list[str]:
    """Return the answer in five sentences, and what they rest on."""
    exact, free = aggregate.baseline(table), best_free(table[table["steps"].eq(STEPS)])
    remul, rival = errors_of(runs, *REMUL), errors_of(runs, *EQUAL_COMPUTE)
    times = speed_ups(table, row_of(table, *REMUL))
    timed, fastest = next(iter(times)), min(times, key=times.get)
    sizes = table["parameters"][~table["trivial"].eq(True) & table["steps"].eq(STEPS)]
    rate = row_of(table, *REMUL)["lr"]
    step = 1 / median(aggregate.time_ratios(exact, row_of(table, *REMUL), "train_step"))
    return [
        f"1. **Accuracy.** After {STEPS:,} steps, on poses unlike those in training (OOD), the "
        f"exact network of least error, `{exact['model']}`, errs by "
        f"{interval(errors_of(runs, *name_of(exact)))}, the best network with no rotations built "
        f"in, `{free['model']}` with {free['method']}, by "
        f"{interval(errors_of(runs, *name_of(free)))}.",
        f"2. **REMUL.** After {STEPS:,} steps a Transformer with REMUL (beta = 10) "
        f"{judge(remul - rival)} augmentation of {2 * STEPS:,}: difference "
        f"{interval(remul - rival)}.",
        f"3. **Length.** {length}",
        f"4. **Speed.** The Transformer's eager inference is {times[timed]:.2g} times as fast as "
        f"that of `{timed}` and {times[fastest]:.2g} times as fast as that of `{fastest}`, the "
        "fastest exact one of as many steps that errs less; its step with REMUL takes "
        f"{step:.2g} times as long as `{timed}`'s (one CPU core, batch 64). Compiled, exact "
        "networks [gain more](docs/speed.md#what-compilation-gains).",
        f"5. **Optimiser.** {tuned}",
        "",
        "These rest on one small study: gravitating bodies (`nbody_gravity`), 100 samples to train "
        f"on, {STEPS:,} steps of Adam at a rate of {rate} unless said, five seeds, "
        f"networks of {sizes.min():,.0f} to {sizes.max():,.0f} weights (errors are mean squared "
        "errors x 1e3 on OOD poses with 95 % intervals). The paper's are larger.",
    ]


def say_length(runs: pd.DataFrame) -> str:
    """Return what the paper's number of steps comes to, and what of it is told apart."""
    names = ("REMUL", "augmentation", f"`{LONG_EXACT[0]}`")
    rows = dict(zip(names, (LONG_REMUL, LONG_AUGMENT, LONG_EXACT), strict=True))
    errors = {name: errors_of(runs, *row) for name, row in rows.items()}
    remul, augment, exact = map(interval, errors.values())
    told = [
        f"{one} errs less than {other}"
        for one, other in permutations(names, 2)
        if compare_errors(dict(errors[one]), dict(errors[other])).is_better
    ]
    less = (errors[names[-1]] < errors[names[0]]).sum()
    return (
        f"A Transformer errs by {remul} after the paper's {LONG:,} steps of REMUL, by {augment} "
        f"after {2 * LONG:,} of augmentation, and {names[-1]} by {exact} after {LONG:,}: "
        f"{', '.join(told) or 'none can be told from another'}, though {names[-1]} errs less than "
        f"{names[0]} in {less} of {len(errors[names[0]])} seeds."
    )


def say_many(runs: pd.DataFrame) -> str:
    """Return how REMUL and an exact network compare with many samples, by mean and by median."""

    def ratio(score: str) -> str:
        rows = [
            runs[(runs["network"] == network) & (runs["method"] == method)].set_index("seed")[score]
            for network, method, _ in (LONG_REMUL, LONG_EXACT)
        ]
        found = compare_errors(*map(dict, rows))
        return say_interval(found.ratio, found.low, found.high)

    return (
        f"With 10,000 samples REMUL of 20,000 steps errs {ratio(SCORE)} times as much as "
        f"`{LONG_EXACT[0]}`, by the median {ratio(MEDIAN)} [(hints)](docs/findings.md#samples)."
    )


def say_tuned(runs: pd.DataFrame, table: pd.DataFrame) -> str:
    """Return what tuned learning rates, and Muon in Adam's place, come to as ratios of errors."""

    def errors(model: str, method: str, steps: int, *optimiser: str) -> dict[int, float]:
        row = row_of(table, model, aggregate.AND.join([method, *optimiser, TUNED]), steps)
        own = runs[runs["key"] == row["key"]]
        return dict(zip(own["seed"], own[SCORE], strict=True))

    def ratio(one: dict[int, float], other: dict[int, float]) -> str:
        found = compare_errors(one, other)
        return say_interval(found.ratio, found.low, found.high)

    remul, augment = (*REMUL[:2], TUNED_STEPS), (*EQUAL_COMPUTE[:2], 2 * TUNED_STEPS)
    return (
        f"With rates tuned ({TUNED_STEPS} steps, {SEEDS} seeds: hints) REMUL errs "
        f"{ratio(errors(*remul), errors(*augment))} times as much as augmentation of twice those "
        "steps by Adam, "
        f"{ratio(errors(*remul, 'muon'), errors(*augment, 'muon'))} times by Muon, by which "
        f"augmentation errs {ratio(errors(*augment, 'muon'), errors(*augment))} times as much."
    )


def best_free(table: pd.DataFrame) -> pd.Series:
    """Return the row with the smallest error among unconstrained networks, without frames."""
    plain = table["model"].str.partition("(")[0].isin(UNCONSTRAINED)
    rows = table[plain & ~aggregate.is_exact(table)]
    return rows.loc[rows[SCORE].idxmin()]


def exact_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the exact rows of the study's length, no trivial one, the most accurate first."""
    exact = table["equivariant"].eq(True) & ~table["trivial"].eq(True) & table["steps"].eq(STEPS)
    return table[exact].sort_values("mse_test")


def speed_ups(table: pd.DataFrame, row: pd.Series) -> dict[str, float]:
    """Return how many times faster its inference is than that of exact networks that err less."""
    times = {
        exact["model"]: aggregate.time_ratios(exact, row, "inference")
        for _, exact in exact_rows(table).iterrows()
        if exact["mse_test"] < row["mse_test"]
    }
    return {model: median(ratios) for model, ratios in times.items() if ratios}


def name_of(row: pd.Series) -> tuple[str, str, int]:
    """Return what tells a row apart."""
    return row["model"], row["method"], row["steps"]


def errors_of(runs: pd.DataFrame, model: str, method: str, steps: int) -> pd.Series:
    """Return the error of each seed, times 1,000."""
    network = model.partition("(")[0]
    own = runs[(runs["network"] == network) & (runs["method"] == method) & (runs["steps"] == steps)]
    own = own[own["label"] == model] if "(" in model else own
    return 1e3 * own.set_index("seed")[SCORE]


def interval(values: pd.Series) -> str:
    """Return the mean and its interval by Student's t."""
    return "{:.2f} ({:.2f} to {:.2f})".format(*mean_interval([*values]))


def judge(differences: pd.Series) -> str:
    """Return what errors less errors, seed by seed, say."""
    _, low, high = mean_interval([*differences])
    if low <= 0 <= high:
        return "cannot be told from"
    return "is behind" if low > 0 else "is ahead of"


def row_of(table: pd.DataFrame, model: str, method: str, steps: int) -> pd.Series:
    """Return the one row of a model, a method and a number of steps."""
    same = (table["method"] == method) & (table["steps"] == steps)
    rows = table[same & (table["model"].str.partition("(")[0] == model)]
    return rows.iloc[0]


def markdown(table: pd.DataFrame) -> list[str]:
    """Return the lines of the table."""
    headings = ("network", "trained by", "MSE x 1e3", "OOD MSE x 1e3", "E'", "x step", "x infer")
    lines = ["| " + " | ".join(headings) + " |", "| --- | --- |" + " ---: |" * 5]
    unit = next(iter(speed_ups(table, row_of(table, *REMUL))))
    beside = table[table["model"].eq(unit) & table["steps"].eq(STEPS)].iloc[0]
    for name in ROWS:
        row = row_of(table, *name)
        steps = "" if row["steps"] == STEPS else f", {row['steps']:,} steps"
        mark = " (exact)" if row["equivariant"] else ""
        scores = [formats.thousandths(row, score) for score in ("mse_test", SCORE)]
        times = [aggregate.time_ratios(beside, row, kind) for kind in aggregate.TIMED]
        ratios = [f"{median(own):.2g}" if own else formats.ABSENT for own in times]
        error = formats.spread(row, "expected_error_test")
        cells = (f"{name[0]}{mark}", f"{row['method']}{steps}", *scores, error, *ratios)
        lines.append("| " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    main()

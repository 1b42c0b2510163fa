"""The answer in README.md, its sentences and its table, from the published records."""

from itertools import permutations
from statistics import median

from bench.records.run_store import RunStore
from bench.reporting import aggregate, findings, formats, published
from bench.reporting.findings.evidence import Row
from bench.reporting.study import Study
from bench.reporting.tuning import TUNED
from pages import gpu
from pages.published import MACHINE, fill_block

TASK = "nbody_gravity(val=500)"
MANY = "nbody_gravity(train=10000, val=500)"  # of `data_size`
WALK, WALKED = "mocap(subject=walk)", 34_000  # of `mocap_long`, and its steps
STEPS, LONG, MANY_STEPS, TUNED_STEPS = 1500, 50_000, 20_000, 500  # LONG are the paper's
TRANSFORMER = "transformer:64,layers=4,heads=4"
REMUL = (TRANSFORMER, "remul:10", STEPS)
EQUAL_COMPUTE = (TRANSFORMER, "augment", 2 * STEPS)
ROWS = (
    ("painn", "plain", STEPS),
    ("egnn", "plain", STEPS),
    (TRANSFORMER, "plain", STEPS),
    (TRANSFORMER, "augment", STEPS),
    EQUAL_COMPUTE,
    REMUL,
    ("gnn:72", "remul:10", STEPS),
)
UNCONSTRAINED = ("gnn", "mlp", "mpnn", "transformer")  # of `models` and `rivals`
SCORE, MEDIAN = "mse_ood", "squared_error_median_ood"


def fill(page: str) -> str:
    """Return the page with the answer that today's records give."""
    evidences = findings.collect_evidence(RunStore(MACHINE).load()[0])
    studies = {one.task: Study(one, MACHINE.name, SCORE) for one in evidences}
    gravity, many, walk = studies[TASK], studies[MANY], studies[WALK]
    full = Study(*findings.collect_evidence(RunStore(gpu.GPU).load()[0]), gpu.GPU.name, SCORE)
    answer = [*sentences(gravity, many, walk), "", say_rows(gravity, full), "", *markdown(gravity)]
    return fill_block(page, "answer", answer)


def sentences(gravity: Study, many: Study, walk: Study) -> list[str]:
    """Return the answer in six sentences."""
    rows = [row for row in gravity.evidence.usual.rows if row["steps"] == STEPS]
    exact, free = list_exact(gravity)[0], best_free(rows)
    remul, rival = gravity.row(*REMUL), gravity.row(*EQUAL_COMPUTE)
    times = speed_ups(gravity, remul)
    bodies = [one.nodes for one in gpu.compare_graphs()]
    timed, fastest = next(iter(times)), min(times, key=times.get)
    step = 1 / median(aggregate.time_ratios(exact, remul, "train_step"))
    return [
        f"1. **Accuracy.** After {STEPS:,} steps, on poses unlike those in training (OOD), the "
        f"exact network of least error, `{exact['model']}`, errs by {gravity.error(exact)}, the "
        f"best network with no rotations built in, `{free['model']}` with {free['method']}, by "
        f"{gravity.error(free)}.",
        f"2. **REMUL.** After {STEPS:,} steps a Transformer with REMUL (beta = 10) errs "
        f"{gravity.compare(remul, rival).brief} times as much as after {rival['steps']:,} of "
        "augmentation.",
        f"3. **Length.** {say_length(gravity)} {say_many(many)}",
        f"4. **Speed.** The Transformer's eager inference is {times[timed]:.2g} times as fast as "
        f"`{timed}`'s, {times[fastest]:.2g} times as `{fastest}`'s (the fastest exact one that "
        f"errs less); its step with REMUL takes {step:.2g} times as long as "
        f"`{timed}`'s (one CPU core, batch 64). At published sizes, as CUDA graphs on an H100 "
        f"(batch {gpu.BATCH}, {bodies[0]} to {bodies[-1]} bodies), inference of `gatr` takes "
        f"{gpu.say_span('gatr')} times as long as the Transformer's, of `se3_transformer` "
        f"{gpu.say_span('se3_transformer')}, of `egnn` {gpu.say_span('egnn')}; their steps take "
        f"{gpu.say_span('gatr', 'step')}, {gpu.say_span('se3_transformer', 'step')} and "
        f"{gpu.say_span('egnn', 'step')} times its step with REMUL.",
        f"5. **Optimiser.** {say_tuned(gravity)}",
        f"6. **Data with an up.** {say_walking(walk)}",
    ]


def say_length(gravity: Study) -> str:
    """Return what the paper's number of steps comes to, and what of it is told apart."""
    rows = {
        "REMUL": gravity.row(*REMUL[:2], LONG),
        "augmentation": gravity.row(*EQUAL_COMPUTE[:2], 2 * LONG),
        "`egnn`": gravity.row("egnn", "plain", LONG),
    }
    remul, augment, exact = map(gravity.error, rows.values())
    told = [
        f"{one} errs less than {other}"
        for one, other in permutations(rows, 2)
        if gravity.compare(rows[one], rows[other]).ratio.is_better
    ]
    rivals = gravity.row(TRANSFORMER, "remul:1", LONG), gravity.row("painn", "plain", LONG)
    return (
        f"A Transformer errs by {remul} after the paper's {LONG:,} steps of REMUL, by {augment} "
        f"after {2 * LONG:,} of augmentation, and `egnn` by {exact} after {LONG:,}: "
        f"{', '.join(told) or 'none can be told apart by the mean'}; by the median REMUL (beta = "
        f"1) errs {gravity.compare(*rivals, MEDIAN).brief} times as much as `painn`."
    )


def say_rows(gravity: Study, full: Study) -> str:
    """Return what most sentences rest on, and what a network as large as the paper's comes to."""
    rows = [row for row in gravity.evidence.usual.rows if row["steps"] == STEPS]
    sizes, rate = [row["parameters"] for row in rows if not row["trivial"]], rows[0]["lr"]
    large = "transformer:384,layers=10,heads=8"
    remul = full.row(large, "remul:10", LONG)
    ratio = full.compare(remul, full.row(large, "augment", LONG))
    paper = published.errors("nbody_gravity")
    theirs = paper["transformer", "remul"]["mse_ood"] / paper["transformer", "augment"]["mse_ood"]
    return (
        "Unless said, 1 to 5 rest on gravitating bodies (`nbody_gravity`), 100 samples to train "
        f"on, {STEPS:,} steps of Adam at a rate of {rate}, five seeds, "
        f"networks of {min(sizes):,.0f} to {max(sizes):,.0f} weights (errors: mean "
        "squared, x 1e3 on OOD poses, 95 % intervals). The paper's Transformer "
        f"({remul['parameters']:,.0f} weights, rate {remul['lr']:g}, {LONG:,} steps, three seeds) "
        f"errs with REMUL (beta = 10) {ratio.brief} times as much as with augmentation of as many "
        f"steps ([{ratio.less}](docs/findings.md#published-size); paper, second-hand: "
        f"{theirs:.2g})."
    )


def say_many(many: Study) -> str:
    """Return how REMUL and an exact network compare with many samples, by mean and by median."""
    rows = many.row(*REMUL[:2], MANY_STEPS), many.row("egnn", "plain", MANY_STEPS)
    mean, usual = (many.compare(*rows, score).brief for score in (SCORE, MEDIAN))
    return (
        f"With 10,000 samples REMUL of {MANY_STEPS:,} steps errs {mean} times as much as `egnn`, "
        f"by the median {usual} [(hints)](docs/findings.md#samples)."
    )


def say_tuned(gravity: Study) -> str:
    """Return what tuned learning rates, and Muon in Adam's place, come to as ratios of errors."""
    by_adam, by_muon = (TUNED,), ("muon", TUNED)
    remul = {by: gravity.row(*REMUL[:2], TUNED_STEPS, *by) for by in (by_adam, by_muon)}
    augment = {
        by: gravity.row(*EQUAL_COMPUTE[:2], 2 * TUNED_STEPS, *by) for by in (by_adam, by_muon)
    }
    adam, muon = (gravity.compare(remul[by], augment[by]) for by in (by_adam, by_muon))
    return (
        f"With rates tuned ({TUNED_STEPS} steps) REMUL errs "
        f"{adam.brief} times as much as augmentation of twice those steps by Adam, {muon.brief} "
        "times by Muon, by which augmentation errs "
        f"{gravity.compare(augment[by_muon], augment[by_adam]).brief} times as much."
    )


def say_walking(walk: Study) -> str:
    """Return how a plain network and an exact one compare where data have a vertical."""
    exact = walk.row("emlp:channels=128", "plain", WALKED)
    plain, remul = (
        walk.row("mlp:channels=128", method, WALKED)
        for method in ("plain", "remul:beta=10,group=so3")
    )
    return (
        f"Walking people, {WALKED:,} steps: a plain `mlp` errs "
        f"{walk.compare(plain, exact, 'mse_test').brief} times as much as exact `emlp`; turned "
        f"about any axis, one with REMUL {walk.compare(remul, exact, SCORE).brief} times "
        "[(more)](docs/findings.md#walking)."
    )


def best_free(rows: list[Row]) -> Row:
    """Return the row with the smallest error among unconstrained networks, without frames."""
    plain = [row for row in rows if row["model"].partition("(")[0] in UNCONSTRAINED]
    return min((row for row in plain if not aggregate.is_exact(row)), key=lambda row: row[SCORE])


def list_exact(gravity: Study) -> list[Row]:
    """Return the exact rows of the study's length, the most accurate first."""
    exact = [row for row in gravity.evidence.usual.exact if row["steps"] == STEPS]
    return sorted(exact, key=lambda row: row["mse_test"])


def speed_ups(gravity: Study, row: Row) -> dict[str, float]:
    """Return how many times faster its inference is than that of exact networks that err less."""
    times = {
        exact["model"]: aggregate.time_ratios(exact, row, "inference")
        for exact in list_exact(gravity)
        if exact["mse_test"] < row["mse_test"]
    }
    return {model: median(ratios) for model, ratios in times.items() if ratios}


def markdown(gravity: Study) -> list[str]:
    """Return the lines of the table."""
    headings = ("network", "trained by", "MSE x 1e3", "OOD MSE x 1e3", "E'", "x step", "x infer")
    lines = ["| " + " | ".join(headings) + " |", "| --- | --- |" + " ---: |" * 5]
    unit = next(iter(speed_ups(gravity, gravity.row(*REMUL))))
    beside = next(row for row in list_exact(gravity) if row["model"] == unit)
    for model, *trained in ROWS:
        row = gravity.row(model, *trained)
        steps = "" if row["steps"] == STEPS else f", {row['steps']:,} steps"
        name = model.partition(":")[0] + " (exact)" * bool(row["equivariant"])
        scores = [formats.thousandths(row, score) for score in ("mse_test", SCORE)]
        times = [aggregate.time_ratios(beside, row, kind) for kind in aggregate.TIMED]
        ratios = [f"{median(own):.2g}" if own else formats.ABSENT for own in times]
        error = formats.spread(row, "expected_error_test")
        cells = (name, f"{row['method']}{steps}", *scores, error, *ratios)
        lines.append("| " + " | ".join(cells) + " |")
    return lines

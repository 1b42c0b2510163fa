"""The gate on trial: identical code, planted slowdowns, a planted operation; in about 50 minutes.

`python tests/speed/trials.py` from the checkout writes results/local/<machine>/gate.json after
every trial, and goes on where it was, unless the gate has changed. `--same`, `--slower`,
`--planted` and `--check` say how many of each; one of identical code is two comparisons, of
inference and of a training step. One check is of all networks against
results/published/reference.json, in which one of them is entered as faster than it was.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from msgspec.structs import replace

from bench.core import cases
from bench.core.cases import UNIT, SpeedCase
from bench.core.config import Plugin
from bench.records import files
from bench.regression import compare
from bench.regression.noise import read_noise
from bench.regression.reference import ReferenceCheck
from bench.regression.revisions import KINDS, RevisionComparison
from bench.regression.verdicts import CONFIRMATIONS, MINIMUM_EFFECT, REGRESSED
from bench.system import machine
from bench.system.checkout import PACKAGES, ROOT
from bench.system.clock import now
from bench.timing.samples import CONFIDENCE

FACTOR = 1.3
KINDS_OF = {"same": KINDS, "slower": ("inference",), "planted": ("inference",)}
BUDGET_S = {"same": 0.0, "slower": 180.0, "planted": 0.0}
CELLS = [
    SpeedCase(Plugin("transformer"), 5, 8),
    SpeedCase(Plugin("egnn"), 20, 32),
    SpeedCase(Plugin("gnn"), 10, 8),
    SpeedCase(Plugin("egnn"), 5, 8),
]
WASTE = '''

def _slower(model):
    """The model, whose every call takes {factor} times as long."""
    from time import perf_counter

    forward = model.forward

    def late(inputs):
        started = perf_counter()
        outputs = forward(inputs)
        until = perf_counter() + ({factor} - 1) * (perf_counter() - started)
        while perf_counter() < until:
            pass
        return outputs

    model.forward = late
    return model


_build = build


def build(*args, **kwargs):
    return _slower(_build(*args, **kwargs))
'''
EXTRA = """

_build = build


def build(*args, **kwargs):
    model = _build(*args, **kwargs)
    forward = model.forward
    model.forward = lambda inputs: {name: x + 0 for name, x in forward(inputs).items()}
    return model
"""


def planted(folder, models, text):
    """A copy of the checkout whose models have some more code at their end."""
    tree = Path(folder) / "planted"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package)
    for model in models:
        with (tree / "models" / f"{model}.py").open("a") as file:
            file.write(text)
    return tree


def trial(kind, index, tree, noise):
    """The verdicts of one comparison, of a cell that changes from trial to trial."""
    cell, started = CELLS[index % len(CELLS)], now()
    limits = (noise["floor"], noise["rounds"])
    revisions = RevisionComparison((ROOT, tree), "cpu", *limits, KINDS_OF[kind])
    rows = revisions.judge([cell], BUDGET_S[kind])
    ratios = {row.measure: {"ratio": row.comparison.ratio} for row in rows if row.comparison}
    verdicts = {row.measure: {"verdict": row.verdict} | ratios.get(row.measure, {}) for row in rows}
    return {"cell": str(cell), "seconds": round(now() - started, 1), **verdicts}


def checked(index, base, name, noise):
    """The times that one check called regressed, of a reference that was faster in one network."""
    slower, started = sorted(base)[index % len(base)], now()
    timings = {
        kind: replace(timing, ratios=[ratio / FACTOR for ratio in timing.ratios])
        for kind, timing in base[slower].timings.items()
    }
    reference = base | {slower: replace(base[slower], timings=timings)}
    verdicts, _ = ReferenceCheck(reference, name, "cpu", noise["floor"]).judge()
    times = [row for row in verdicts if row.comparison]
    named = [[row.case, row.measure] for row in times if row.verdict == REGRESSED]
    facts = {"slower": slower, "seconds": round(now() - started, 1), "times": len(times)}
    return facts | {"regressed": named}


def outcome(trials):
    """How often each kind of trial ended as it has to."""
    checks = trials["check"]
    late = [[r["slower"], kind] in r["regressed"] for r in checks for kind in cases.CASE_KINDS]
    alarms = sum(len(row["regressed"]) for row in checks) - sum(late)
    quiet = sum(row["times"] for row in checks) - len(late)
    same = [regressed(row, kind) for row in trials["same"] for kind in KINDS]
    slower = [regressed(row, "inference") for row in trials["slower"]]
    seen = [regressed(row, "counters") for row in trials["planted"]]
    return {
        "false_alarms": f"{sum(same)} of {len(same)}",
        "slowdowns_found": f"{sum(slower)} of {len(slower)}",
        "operations_found": f"{sum(seen)} of {len(seen)}",
        "false_alarms_of_check": f"{alarms} of {quiet}",
        "slowdowns_found_by_check": f"{sum(late)} of {len(late)}",
    }


def regressed(row, measure):
    return row[measure]["verdict"] == REGRESSED


def main():
    options = argparse.ArgumentParser(description=__doc__)
    for kind, number in (("same", 100), ("slower", 30), ("planted", 10), ("check", 6)):
        options.add_argument(f"--{kind}", type=int, default=number)
    options.add_argument("--results", type=Path, default=ROOT / "results" / "local")
    wanted = vars(options.parse_args())
    root = wanted["results"] / machine.folder("cpu")
    noise, _ = read_noise(root)
    file = root / "gate.json"
    limits = {"looks": CONFIRMATIONS, "margin": MINIMUM_EFFECT, "level": CONFIDENCE}
    gate_now = {"cells": [str(cell) for cell in CELLS], **limits, "noise": noise}
    made = json.loads(file.read_text()) if file.exists() else {}
    if made.get("gate") != gate_now:
        made = {}
    trials = {kind: made.get("trials", {}).get(kind, []) for kind in (*BUDGET_S, "check")}

    def put(kind, index, row):
        trials[kind].append(row)
        made = {"outcome": outcome(trials), "gate": gate_now, "trials": trials}
        files.write_whole(file, files.as_text(made))
        print(kind, index, row, flush=True)

    names = {cell.model.name for cell in CELLS}
    for kind, text in (("same", ""), ("slower", WASTE.replace("{factor}", str(FACTOR))),
                       ("planted", EXTRA)):  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            tree = planted(folder, names, text)
            for index in range(len(trials[kind]), wanted[kind]):
                put(kind, index, trial(kind, index, tree, noise))
    known = compare.read_records(ROOT / "results" / "published" / "reference.json")
    base = {name: record for name, record in known.items() if name.split(",")[0] != UNIT.name}
    for index in range(len(trials["check"]), wanted["check"]):
        put("check", index, checked(index, base, root.name, noise))
    print(outcome(trials))


if __name__ == "__main__":
    main()

"""The tables of scale.md: what an engine adds to a run, a large sweep on paper, what held."""

import json
from typing import Any

from pages.published import PUBLISHED, fill_block

RUNS, GPUS, HOURS = 10_000, 1_000, 1.0  # of the sweep on paper
FILES_OF_A_RUN = 2  # in its task's folder: the record, the curve
BEAT_S = 10.0
OPENS_PER_S, NAMES_PER_S = 20_000, 1_000_000  # of a shared file system: assumed, not measured
SEEDS = 3  # of a cell
Figures = dict[str, Any]


def fill(page: str) -> str:
    """Return the page with the tables that the figures give."""
    figures, faults = (
        json.loads((PUBLISHED / f"{name}.json").read_text()) for name in ("engines", "faults")
    )
    tables = {
        "overhead": overhead(figures),
        "paper": paper(figures),
        "held": held(figures, faults),
    }
    for name, table in tables.items():
        page = fill_block(page, name, table)
    return page


def overhead(figures: Figures) -> list[str]:
    """Return the table of what an engine adds to a run."""
    engines = {name: figures[name] for name in ("local", "dask", "slurm")}
    loads = [engine["load"] for engine in engines.values()]
    cores = figures["local"]["cores"]
    return [
        "| engine | an empty job, alone | slot and empty job, many at once | slot and run, beyond "
        "training and scoring |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {name} | {engine['one_job_ms']:,} ms | {engine['slot_ms']:,} ms | "
            f"{engine['run_s']} s ({engine['runs']} runs of {engine['trained_s']} s) |"
            for name, engine in engines.items()
        ),
        "",
        f"Two slots each, all on one machine of {cores} cores ({figures['local']['processor']}), "
        f"at a load of {min(loads):.0f} to {max(loads):.0f}, that of the engine included: other "
        "work makes all of it slower.",
    ]


def paper(figures: Figures) -> list[str]:
    """Return the table of a large sweep, from what was measured and what is assumed."""
    files = RUNS * FILES_OF_A_RUN
    store = figures[f"store_{files}"]
    opened = sum(figures["files_of_a_process"].values())
    timed_h = RUNS / SEEDS * figures["timing"]["cell_s"] / 3600
    waves = RUNS / GPUS
    cost_s = {name: figures[name]["run_s"] for name in ("dask", "slurm")}
    names = GPUS * store["names_listed"]
    rows = {
        "timing": (
            f"{figures['timing']['cell_s']} s a cell, {RUNS / SEEDS:,.0f} cells of {SEEDS} seeds, "
            "on one machine",
            f"{timed_h:.0f} h, after {waves * HOURS:.0f} h of training: **first**",
        ),
        "start of processes": (
            f"{opened:,} modules opened a run, {opened * GPUS:,} as a wave of {GPUS:,} starts",
            f"{opened * GPUS / OPENS_PER_S:.0f} s, on a shared home that opens {OPENS_PER_S:,} "
            "files a second: **second**",
        ),
        "claims": (
            f"{store['names_listed']:,} names listed a run, {store['claim_ms']:.1f} ms, among "
            f"{files:,} files and {store['claims']:,} claims",
            f"no: {names / NAMES_PER_S:.0f} s as a wave starts, where {NAMES_PER_S:,} names are "
            "listed a second",
        ),
        "engine": (
            f"{cost_s['dask']} s a run on Dask, {cost_s['slurm']} s on Slurm",
            f"{cost_s['dask'] / 36 / HOURS:.1f} and {cost_s['slurm'] / 36 / HOURS:.1f} % of the "
            f"GPU hours; 5 % at runs of {19 * max(cost_s.values()) / 60:.0f} minutes",
        ),
        "scheduler": (
            f"{GPUS / 3600 / HOURS:.2f} starts a second, {RUNS // 1000} arrays of 1,000",
            "no, but Slurm's MaxJobCount is 10,000 by default, of all users: `--jobs 2000`",
        ),
        "heartbeats, steps, looks": (
            f"one each per {BEAT_S:.0f} s and run",
            f"no: {3 * GPUS / BEAT_S:.0f} small operations a second",
        ),
        "who submitted": (
            f"{store['look_ms']:.0f} ms a look at {store['claims']:,} claims, every {BEAT_S:.0f} s",
            f"no: {store['look_ms'] / 10 / BEAT_S:.0f} % of a core",
        ),
    }
    return [
        "| what | how much | does it break? |",
        "| --- | --- | --- |",
        *(f"| {what} | {much} | {breaks} |" for what, (much, breaks) in rows.items()),
    ]


def held(figures: Figures, faults: Figures) -> list[str]:
    """Return the table of what was killed, moved and shared, and what came of it."""
    checkpoints, commands = faults["checkpoints"], faults["commands"]
    rows = {
        f"{what}, killed (-9) inside training": (
            f"{kept['kills']} times in {kept['steps']} steps, at {listed(kept['killed_at_step'])}",
            "scores and curves of a training that nobody killed, to the bit",
        )
        for what, kept in (
            ("a run", checkpoints["one run"]),
            ("two seeds at once", checkpoints["2 seeds at once"]),
        )
    }
    ways = {"dask": "its worker killed with all it runs", "slurm": "its job requeued"}
    for engine, way in ways.items():
        moved = figures[f"moved_{engine}"]
        at = moved["moved_at_step"]
        rows[f"a run on {engine.title()}, {way} inside training"] = (
            f"{len(at)} times in {moved['steps']} steps, at {listed(at)}",
            "scores of a local run, to the bit",
        )
    for number, shared in sorted(commands.items(), key=lambda item: int(item[0])):
        rows[f"{number} `run`s on one folder, started at once"] = (
            f"{shared['runs']} runs, {shared['seconds']} s, {shared['peak_mb'] / 1000:.1f} GB",
            f"{shared['trainings']} trainings, {shared['torn']} torn files, one table",
        )
    return [
        "| what | how often | what came of it |",
        "| --- | --- | --- |",
        *(f"| {what} | {often} | {came} |" for what, (often, came) in rows.items()),
    ]


def listed(steps: list[int]) -> str:
    """Return numbers of steps in words."""
    return f"{', '.join(map(str, steps[:-1]))} and {steps[-1]}"

"""Writes the tables in scale.md: what an engine adds to a run, and a large sweep on paper.

`python docs/make_scale.py` from the checkout; a test compares what it makes with what is there.
"""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "scale.md"
FIGURES = ROOT / "results" / "published" / "engines.json"
BLOCK = r"(<!-- {}: docs/make_scale\.py -->\n).*?(<!-- /{} -->)"
RUNS, GPUS, HOURS = 10_000, 1_000, 1.0  # of the sweep on paper
FILES_OF_A_RUN = 3  # in its task's folder: the record, the curve, the claim
BEAT_S = 10.0
OPENS_PER_S, NAMES_PER_S = 20_000, 1_000_000  # of a shared file system: assumed, not measured
SEEDS = 3  # of a cell
Figures = dict[str, Any]


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(fill(PAGE.read_text()))


def fill(page: str) -> str:
    """Return the page with the tables that the figures give."""
    figures = json.loads(FIGURES.read_text())
    for name, table in {"overhead": overhead(figures), "paper": paper(figures)}.items():
        block = re.compile(BLOCK.format(name, name), re.DOTALL)
        text = "\n".join(table)
        page = block.sub(lambda found, text=text: f"{found[1]}{text}\n{found[2]}", page)
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
        f"Two slots each, all on one machine of {cores} cores ({figures['local']['processor']}) "
        f"that other work kept at a load of {min(loads):.0f} to {max(loads):.0f}: expect a "
        f"fraction on a quiet one.",
    ]


def paper(figures: Figures) -> list[str]:
    """Return the table of a large sweep, from what was measured and what is assumed."""
    files = RUNS * FILES_OF_A_RUN
    store = figures[f"store_{files}"]
    opened = sum(figures["files_of_a_process"].values())
    timed_h = RUNS / SEEDS * figures["timing"]["cell_s"] / 3600
    waves = RUNS / GPUS
    cost_s = {name: figures[name]["run_s"] for name in ("dask", "slurm")}
    names = 2 * GPUS * files
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
            f"{store['claim_ms']:.0f} ms each among {files:,} files, which are listed twice a run",
            f"{names / NAMES_PER_S:.0f} s as a wave starts, where {NAMES_PER_S:,} names are "
            "listed a second: **third**",
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
            f"{store['look_ms']:.0f} ms a look at {files:,} files, every {BEAT_S:.0f} s",
            f"no: {store['look_ms'] / 10 / BEAT_S:.0f} % of a core",
        ),
    }
    return [
        "| what | how much | does it break? |",
        "| --- | --- | --- |",
        *(f"| {what} | {much} | {breaks} |" for what, (much, breaks) in rows.items()),
    ]


if __name__ == "__main__":
    main()

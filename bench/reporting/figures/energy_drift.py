"""How total energies drift in dynamics with trained forces."""

from itertools import cycle
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bench.records.run_record import RunRecord
from bench.reporting.figures.labels import Label, label_ends
from bench.reporting.figures.style import COLOURS, panels, shorten

CURVE = TIME, DRIFT = "picoseconds", "energy_drift"


def read_drifts(table: pd.DataFrame, records: list[RunRecord]) -> list[dict[str, Any]]:
    """Return the curves of the seeds of each row that has any."""
    drifts = []
    for _, row in table.iterrows():
        own = [r.profiles.own for r in records if r.key == row["key"] and r.profiles]
        seeds = [
            {name: curves[name] for name in CURVE}
            for curves in own
            if curves.keys() >= {*CURVE} and len(curves[TIME]) > 1
        ]
        if seeds:
            name = shorten(f"{row['model']} {row['method']}")
            drifts.append({"row": name, "seeds": seeds})
    return drifts


def energy_drift(drifts: list[dict[str, Any]], title: str) -> Figure | None:
    """Return the change of the total energy against time, a colour a row and a line a seed."""
    if not drifts:
        return None
    figure, (ax,) = panels(1)
    ends = []
    for colour, drift in zip(cycle(COLOURS), drifts, strict=False):
        for seed in drift["seeds"]:
            times, values = (seed[name][1:] for name in CURVE)  # at 0 nothing has changed
            ax.plot(times, values, color=colour, linewidth=1.0)
        last = max(drift["seeds"], key=lambda seed: seed[DRIFT][-1])
        ends.append(Label(*(last[name][-1] for name in CURVE), drift["row"], colour))
    ax.set(xlabel="ps", ylabel="kcal/mol/atom", yscale="log", title="change of the total energy")
    label_ends(ax, ends)
    figure.suptitle(title, fontsize="small")
    return figure

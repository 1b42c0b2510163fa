"""Errors of one network by the setting of its equivariance, and what else it is told."""

import re
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bench.reporting.figures.style import panels, row_colour, set_plain_ticks, shorten

SWITCH = re.compile(r"equivariance=(\w+)")
ONLY, NUMBER = re.compile(r"(\w+)=True"), re.compile(r"(\w+)=(\d+)")
Setting = dict[str, Any]


def read_settings(table: pd.DataFrame) -> list[Setting]:
    """Return the rows of networks whose equivariance is an option, the most accurate last."""
    settings = table["label"].str.extract(SWITCH, expand=False)
    rows = table[settings.notna() & table["mse_test"].notna()]
    rows = rows.sort_values("mse_test", ascending=False)
    return [
        {
            "row": f"{_describe(row['label'])} {row['method']}",
            "switch": SWITCH.search(row["label"])[1],
            "colour": row_colour(row),
            "mse": row["mse_test"],
            "std": None if pd.isna(row["mse_test_std"]) else row["mse_test_std"],
        }
        for _, row in rows.iterrows()
    ]


def _describe(label: str) -> str:
    """Return what is kept, what is told and the sizes in words."""
    told, sizes = ONLY.findall(label), NUMBER.findall(label)
    words = [*told, *(f"{number} {name}" for name, number in sizes)]
    return ", ".join([SWITCH.search(label)[1], *words])


def switch(settings: list[Setting], title: str) -> Figure | None:
    """Return the error of each setting, one below the other; nothing for a single one."""
    if len({setting["switch"] for setting in settings}) < 2:
        return None
    figure, (ax,) = panels(1, 0.35 + 0.09 * len(settings))
    for place, setting in enumerate(settings):
        error, spread = 1e3 * setting["mse"], 1e3 * (setting["std"] or 0.0)
        colour = setting["colour"]
        ax.errorbar(error, place, xerr=spread, color=colour, marker="o", markersize=4)
    ax.set_yticks(range(len(settings)), [shorten(setting["row"]) for setting in settings])
    ax.set(xscale="log", xlabel="MSE x 1e3")
    set_plain_ticks(ax.xaxis)
    figure.suptitle(title)
    return figure

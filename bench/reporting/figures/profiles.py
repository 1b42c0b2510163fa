"""Where trained models err: by angle of rotation, by axis and by degree."""

from statistics import fmean, stdev
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from bench.records.run_record import Profiles, RunRecord
from bench.reporting.aggregate import is_exact, keep_usual
from bench.reporting.figures.labels import Label, label_ends
from bench.reporting.figures.style import (
    family,
    line,
    panels,
    row_colour,
    set_plain_ticks,
    short_names,
)

MOST = 10  # rows of one figure: as many names have room beside a panel
Profile = dict[str, Any]


def pose_shift(profiles: list[Profile], title: str) -> Figure | None:
    """Return E' against the angle of rotation, and the energy of f over the degrees of SO(3)."""
    shown = [p for p in profiles if p["angles_deg"] and p["energy_by_degree"]]
    if not shown:
        return None
    figure, (errors, energies) = panels(2)
    ends: tuple[list[Label], list[Label]] = ([], [])
    for profile in shown:
        style = {"color": profile["colour"], "linestyle": line(profile["method"])}
        angles, error = profile["angles_deg"][1:], profile["expected_error_by_angle"][1:]
        energy = [
            e / (sum(profile["energy_by_degree"]) or 1.0) for e in profile["energy_by_degree"]
        ]
        errors.plot(angles, error, **style)  # without 0 degrees, where no model errs
        energies.plot(range(len(energy)), energy, marker="o", markersize=3, **style)
        for labels, x, y in zip(ends, (angles, range(len(energy))), (error, energy), strict=True):
            labels.append(Label(x[-1], y[-1], profile["row"], profile["colour"]))
    errors.set(xlabel="rotation by an angle, degrees", yscale="log", title="equivariance error E'")
    energies.set(xlabel="degree l", yscale="log", title="share of the energy of f")
    errors.set_xticks(range(0, 181, 90))
    energies.set_xticks(range(len(energy)))
    for ax, labels in zip((errors, energies), ends, strict=True):
        set_plain_ticks(ax.yaxis, 1)
        label_ends(ax, labels)
    figure.suptitle(title)
    return figure


def axes(profiles: list[Profile], title: str) -> Figure | None:
    """Return E' under rotations about each axis, a group of bars for each row."""
    shown = [p for p in profiles if p["expected_error_by_axis"]][::-1]
    if not shown:
        return None
    names = list(shown[0]["expected_error_by_axis"])
    figure, (ax,) = panels(1, 0.3 + 0.11 * len(shown))
    high = 0.8 / len(names)
    for k, axis in enumerate(names):
        places = [i + (len(names) / 2 - k - 0.5) * high for i in range(len(shown))]
        errors = [profile["expected_error_by_axis"].get(axis, 0.0) for profile in shown]
        spreads = [profile["expected_error_by_axis_std"].get(axis, 0.0) for profile in shown]
        bars = ax.barh(
            places, errors, high * 0.9, xerr=spreads, alpha=1 - 0.28 * k,
            color=[p["colour"] for p in shown], error_kw={"linewidth": 0.6},
        )  # fmt: skip
        ax.bar_label(bars, [axis] * len(shown), padding=2, fontsize=6)
    ax.set_yticks(range(len(shown)), [profile["row"] for profile in shown], fontsize=7)
    ax.set(title="E' about an axis", xlim=(0, None))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.grid(axis="y", visible=False)
    figure.suptitle(title)
    return figure


def mean_profiles(table: pd.DataFrame, records: list[RunRecord]) -> list[Profile]:
    """Return the profile of the most accurate row of each family that is not exact, over seeds.

    Of many families the most accurate ones.
    """
    shown, seeds_of = [], {}
    for record in records:
        if record.profiles and record.profiles.angles_deg:
            seeds_of.setdefault(record.key, []).append(record.profiles)
    trained = keep_usual(table)
    names = short_names(trained)
    families = pd.Series([family(row) for _, row in trained.iterrows()], trained.index, object)
    for _, rows in trained.groupby(families):
        best = rows.loc[rows["mse_test"].idxmin()] if rows["mse_test"].notna().any() else None
        seeds = [] if best is None else seeds_of.get(best["key"], [])
        if seeds and not is_exact(best):
            shown.append((best, seeds))
    accurate = sorted(best["mse_test"] for best, _ in shown)[:MOST]
    return [
        _profile(names[best.name], best, seeds)
        for best, seeds in shown
        if best["mse_test"] in accurate
    ]


def _profile(name: str, row: pd.Series, seeds: list[Profiles]) -> Profile:
    return {"row": name, "method": row["method"], "colour": row_colour(row)} | _mean(seeds)


def _mean(seeds: list[Profiles]) -> dict[str, Any]:
    """Return the curves of a row, as far as all of its seeds have them."""
    curves = {}
    for name in ("angles_deg", "expected_error_by_angle", "energy_by_degree"):
        values = zip(*(getattr(profile, name) for profile in seeds), strict=False)
        curves[name] = [fmean(own) for own in values]
    axes = {}
    for axis in seeds[0].expected_error_by_axis:
        each = [profile.expected_error_by_axis for profile in seeds]
        axes[axis] = [errors[axis] for errors in each if axis in errors]
    return curves | {
        "expected_error_by_axis": {axis: fmean(own) for axis, own in axes.items()},
        "expected_error_by_axis_std": {
            axis: stdev(own) if len(own) > 1 else 0.0 for axis, own in axes.items()
        },
    }

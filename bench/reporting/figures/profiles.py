"""Where trained models err: by angle of rotation, by axis and by degree."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bench.records.run_record import Profiles, RunRecord
from bench.reporting.aggregate import AND
from bench.reporting.figures.style import colours, family, legend, line

CURVES = ("angles_deg", "expected_error_by_angle", "energy_by_degree")
Profile = dict[str, Any]


def pose_shift(profiles: list[Profile], title: str) -> Figure | None:
    """Return E' against the angle of rotation, and the energy of f over the degrees of SO(3)."""
    if not profiles:
        return None
    figure = Figure(figsize=(9.4, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.4, 1])
    for profile in profiles:
        style = {"color": profile["colour"], "label": profile["row"]}
        style["linestyle"] = line(profile["family"].split()[1])
        angles, errors = profile["angles_deg"][1:], profile["expected_error_by_angle"][1:]
        left.plot(angles, errors, **style)  # without 0 degrees, where no model errs
        energy = profile["energy_by_degree"]
        right.plot(
            range(len(energy)), [e / (sum(energy) or 1.0) for e in energy], marker="o", **style
        )
    left.set(xlabel="rotation by an angle, degrees", ylabel="equivariance error E'", yscale="log")
    right.set(xlabel="degree l", ylabel="share of the energy of f", yscale="log")
    left.set_xticks(range(0, 181, 45))
    right.set_xticks(range(len(energy)))
    legend(figure, left)
    figure.suptitle(title)
    return figure


def mean_profiles(table: pd.DataFrame, records: list[RunRecord]) -> list[Profile]:
    """Return the profile of the most accurate row of each family, averaged over its seeds."""
    profiles, palette = [], colours(table)
    trained = table[~table["method"].str.contains(AND, regex=False)]
    families = pd.Series([family(row) for _, row in trained.iterrows()], trained.index, object)
    for name, rows in trained.groupby(families):
        best = rows.loc[rows["mse_test"].idxmin()]
        seeds = [r.profiles for r in records if r.key == best["key"] and r.profiles]
        seeds = [profile for profile in seeds if profile.angles_deg]
        if seeds:
            look = {"family": name, "colour": palette[name]}
            look["row"] = f"{best['model']} {best['method']}"
            profiles.append(look | {curve: _mean(seeds, curve) for curve in CURVES})
    return profiles


def _mean(profiles: list[Profiles], name: str) -> list[float]:
    return pd.DataFrame([getattr(profile, name) for profile in profiles]).mean().tolist()

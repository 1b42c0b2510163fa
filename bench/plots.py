"""Figures from records alone: error against equivariance error, against beta, and time bars."""

import re
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from bench.records import Record
from bench.tables import frame, summary

SPLITS = {"test": "in distribution", "ood": "out of distribution"}
KINDS = {"train_step": "training step", "inference": "inference"}
MARKERS = {"plain": "o", "augment": "s", "remul": "D"}
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "legend.frameon": False,
    "svg.hashsalt": "remul",
    "pdf.fonttype": 42,
}
UNDATED = {"png": {"Software": None}, "pdf": {"CreationDate": None}}


def write(root: Path, found: list[Record]) -> list[Path]:
    """Draws all figures of every task under root/figures and returns the files."""
    data = frame(found)
    done = data[data["status"] == "done"]
    files = []
    for label, part in done.groupby("task"):
        table = summary(part)
        for name, draw in FIGURES.items():
            with mpl.rc_context(STYLE):
                figure = draw(table, label)
            if figure:
                slug = re.sub(r"[^a-z0-9_]+", "-", label.lower()).strip("-")
                files += _save(figure, root / "figures" / f"{slug}-{name}")
    return files


def _save(figure: Figure, stem: Path) -> list[Path]:
    stem.parent.mkdir(parents=True, exist_ok=True)
    files = [stem.with_name(f"{stem.name}.{form}") for form in UNDATED]
    for file, metadata in zip(files, UNDATED.values(), strict=True):
        figure.savefig(file, dpi=160, metadata=metadata)
    return files


def pareto(table: pd.DataFrame, label: str) -> Figure:
    """Mean squared error against E', a panel for each split."""
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    colours = _colours(table)
    for ax, (split, words) in zip(axes, SPLITS.items(), strict=True):
        for _, row in table.iterrows():
            x, y = f"expected_error_{split}", f"mse_{split}"
            ax.errorbar(
                row[x],
                1e3 * row[y],
                xerr=_bar(row, x),
                yerr=_bar(row, y, 1e3),
                fmt=_marker(row["method"]),
                color=colours[row["key"]],
                label=_name(row, table),
                capsize=2,
            )
        ax.set(xscale="log", yscale="log", title=words, xlabel="equivariance error E'")
    _readable_log(axes[0])
    axes[0].set_ylabel("mean squared error x 1e3")
    _legend(figure, axes[0])
    figure.suptitle(label)
    return figure


def against_beta(table: pd.DataFrame, label: str) -> Figure | None:
    """Errors of each model trained with REMUL against beta, plain at 0, rivals as lines."""
    swept = table.assign(beta=table["method"].map(_beta)).dropna(subset="beta")
    if (swept["beta"] > 0).sum() < 2:
        return None
    swept = swept[swept["model"].isin(swept[swept["beta"] > 0]["model"])]
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (model, steps), rows in swept.groupby(["model", "steps"]):
        rows = rows.sort_values("beta")
        for colour, (split, words) in zip(COLOURS, SPLITS.items(), strict=False):
            for ax, kind, scale in ((left, "mse", 1e3), (right, "expected_error", 1.0)):
                score = f"{kind}_{split}"
                _curve(ax, rows, score, scale, color=colour, label=f"{model}, {words}")
                for rival, line in _rivals(table, model, steps):
                    name = f"{rival['model']} {rival['method']}, {words}"
                    style = {"color": colour, "linestyle": line, "linewidth": 1.2}
                    ax.axhline(scale * rival[score], label=name, **style)
    betas = sorted(set(swept["beta"]))
    for ax, words in ((left, "mean squared error x 1e3"), (right, "equivariance error E'")):
        ax.set(yscale="log", xlabel="beta (0: plain training)", ylabel=words)
        ax.set_xscale("symlog", linthresh=betas[1])
        ax.set_xlim(-0.3 * betas[1], 2 * betas[-1])
        ax.set_xticks(betas, [f"{beta:g}" for beta in betas])
        ax.xaxis.set_minor_locator(NullLocator())
    _readable_log(left)
    _legend(figure, left)
    figure.suptitle(label)
    return figure


def times(table: pd.DataFrame, label: str) -> Figure | None:
    """Median time of a training step and of inference, a bar for each row."""
    timed = table.dropna(subset="train_step_ms").iloc[::-1]
    if timed.empty:
        return None
    figure = Figure(figsize=(8.4, 1.2 + 0.3 * len(timed)), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    names = [_name(row, table) for _, row in timed.iterrows()]
    colours = [_colours(table)[key] for key in timed["key"]]
    for ax, (kind, words) in zip(axes, KINDS.items(), strict=True):
        bars = ax.barh(range(len(timed)), timed[f"{kind}_ms"], color=colours)
        ax.bar_label(bars, fmt="%.3g", padding=3, fontsize=8)
        ax.set(title=words, xlabel="ms (median, one batch)")
        ax.margins(x=0.15)
        ax.grid(axis="y", visible=False)
    axes[0].set_yticks(range(len(timed)), names)
    figure.suptitle(label)
    return figure


FIGURES: dict[str, Callable[[pd.DataFrame, str], Figure | None]] = {
    "pareto": pareto,
    "beta": against_beta,
    "time": times,
}


def _beta(method: str) -> float | None:
    """The beta of a constant penalty with alpha = 1; plain training has beta = 0."""
    found = re.fullmatch(r"remul\(beta=([\d.e+-]+)\)", method)
    return float(found[1]) if found else 0.0 if method == "plain" else None


def _curve(ax: Axes, rows: pd.DataFrame, score: str, scale: float, **style: str) -> None:
    y, deviation = scale * rows[score], scale * rows[f"{score}_std"].fillna(0)
    ax.errorbar(rows["beta"], y, deviation, fmt="-D", capsize=2, **style)


def _rivals(table: pd.DataFrame, model: str, steps: int) -> list[tuple[pd.Series, str]]:
    """Augmentation of the same model and length, dashed; the best equivariant model, dotted."""
    same = (table["model"] == model) & (table["steps"] == steps) & (table["method"] == "augment")
    exact = table[table["equivariant"]].nsmallest(1, "mse_test")
    return [
        (row, line)
        for rows, line in ((table[same], "--"), (exact, ":"))
        for _, row in rows.iterrows()
    ]


def _colours(table: pd.DataFrame) -> dict[str, str]:
    return {key: COLOURS[i % len(COLOURS)] for i, key in enumerate(table["key"])}


def _marker(method: str) -> str:
    return MARKERS.get(method.partition("(")[0], "^")


def _name(row: pd.Series, table: pd.DataFrame) -> str:
    """Model and method, and the steps where they tell two rows apart."""
    alike = table[(table["model"] == row["model"]) & (table["method"] == row["method"])]
    steps = f", {row['steps']} steps" if len(alike) > 1 else ""
    return f"{row['model']} {row['method']}{steps}"


def _bar(row: pd.Series, score: str, scale: float = 1.0) -> float | None:
    """The standard deviation, kept from reaching zero on a logarithmic axis."""
    deviation = row[f"{score}_std"]
    return None if pd.isna(deviation) else scale * min(deviation, 0.9 * row[score])


def _readable_log(ax: Axes) -> None:
    """Ticks at 1, 2 and 5 of each decade, written as plain numbers."""
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_locator(NullLocator())


def _legend(figure: Figure, ax: Axes) -> None:
    figure.legend(*ax.get_legend_handles_labels(), loc="outside right upper", fontsize=8)

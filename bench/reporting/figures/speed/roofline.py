"""How near training steps come to what the machine can do."""

from matplotlib.figure import Figure

from bench.reporting.figures.labels import Label, label_points
from bench.reporting.figures.style import FAINT, Rows, head, palette, panels


def roofline(rows: Rows, title: str) -> Figure | None:
    """Return FLOP/s of training steps against FLOPs per byte, below the machine's two ceilings."""
    timed = [row for row in rows if row["train_step_shares"] and row["step_flops"]]
    if not timed:
        return None
    peak, rate = (max(row[name] for row in timed) for name in ("flops_per_s", "bytes_per_s"))
    figure, (ax,) = panels(1, 1.1)
    ridge = peak / rate
    roof = [1e-9 * min(peak, rate * x) for x in (ridge / 100, ridge, 10 * ridge)]
    ax.plot([ridge / 100, ridge, 10 * ridge], roof, color=FAINT)
    labels = []
    for model, colour in palette(timed).items():
        own = [row for row in timed if row["model"] == model]
        x = [row["step_flops"] / row["step_moved_bytes"] for row in own]
        y = [1e-6 * row["step_flops"] / row["train_step_ms"] for row in own]
        ax.scatter(x, y, color=colour, s=8)
        best = max(zip(y, x, strict=True))
        labels.append(Label(best[1], best[0], model, colour))
    ax.set(xscale="log", yscale="log", xlabel="FLOPs per byte", ylabel="GFLOP/s, training step")
    label_points(ax, labels)
    head(figure, "Roofline", title)
    return figure

"""How near training steps come to what the machine can do."""

from matplotlib.figure import Figure

from bench.reporting.figures.style import Rows, head, legend, palette


def roofline(rows: Rows, title: str) -> Figure | None:
    """Return FLOP/s of training steps against FLOPs per byte, below the machine's two ceilings."""
    timed = [row for row in rows if row["train_step_shares"] and row["step_flops"]]
    if not timed:
        return None
    peak, rate = (max(row[name] for row in timed) for name in ("flops_per_s", "bytes_per_s"))
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    ax = figure.subplots()
    ridge = peak / rate
    roof = [1e-9 * min(peak, rate * x) for x in (ridge / 100, ridge, 10 * ridge)]
    ax.plot([ridge / 100, ridge, 10 * ridge], roof, color="0.3", label="ceilings")
    for model, colour in palette(timed).items():
        own = [row for row in timed if row["model"] == model]
        x = [row["step_flops"] / row["step_moved_bytes"] for row in own]
        y = [1e-6 * row["step_flops"] / row["train_step_ms"] for row in own]
        ax.scatter(x, y, color=colour, s=18, label=model)
    ax.set(xscale="log", yscale="log", xlabel="FLOPs per byte", ylabel="GFLOP/s, training step")
    legend(figure, ax)
    head(figure, "Roofline", title)
    return figure

"""The figures of the speed grid, from its records alone."""

from collections import Counter
from pathlib import Path

from bench.core.cases import MODES
from bench.records.speed_store import SpeedStore
from bench.reporting import speed_table
from bench.reporting.figures.drawing import Drawing, Job, Plot, draw_files
from bench.reporting.figures.speed.crossover import crossover
from bench.reporting.figures.speed.roofline import roofline
from bench.reporting.figures.speed.scaling import memory, scaling
from bench.reporting.figures.speed.variants import ladder
from bench.reporting.figures.style import SCREEN, Look, Rows, bare_name

SCALES = {"default": "default sizes", "paper": "published sizes"}
SCALING = (
    "{} of inference and of a training step against {}. A line for each network, solid where it "
    "is exactly equivariant, dashed where it is not; a hollow point is a disturbed time."
)
TIME, RATE = "Time (lower is faster)", "Samples per second (higher is faster)"
PLOTS = (
    Plot(
        "nodes",
        scaling("nodes", "batch"),
        SCALING.format(TIME, "nodes, the objects per sample"),
    ),
    Plot(
        "batch",
        scaling("batch", "nodes"),
        SCALING.format(TIME, "the batch, the samples per call"),
    ),
    Plot(
        "throughput",
        scaling("batch", "nodes", throughput=True),
        SCALING.format(RATE, "the batch, the samples per call"),
    ),
    Plot(
        "memory",
        memory,
        "Most megabytes alive at once that a training step made, against nodes: lower "
        "is leaner. Solid lines: exactly equivariant networks; dashed ones: the others.",
    ),
    Plot(
        "crossover",
        crossover,
        "Which exactly equivariant network, of those timed at most sizes, is fastest at each, and "
        "its time over that of the Transformer of the same scale: below 1 (blue) it is faster, "
        "above it (brown) slower. C: disturbed.",
    ),
    Plot(
        "roofline",
        roofline,
        "Rate of training steps against operations per byte moved, a point for each size; the grey "
        "line is what this machine's bandwidth (left) and arithmetic (right) allow.",
    ),
)
LADDER = Plot(
    "ladder",
    ladder,
    "Time of each network in every mode and precision over that of the default Transformer, "
    "eager: shorter is faster.",
)
MODE_NAMES = {
    "eager": "",
    "compile": "compiled",
    "cuda_graph": "CUDA graphs",
    "compiled_graph": "compiled CUDA graphs",
}


def draw_speed_figures(root: Path, form: str = "png", look: Look = SCREEN) -> list[Drawing]:
    """Draw what changed of the figures of a machine's speed records, under root/figures."""
    rows = speed_table.make_rows(SpeedStore(root).load()[0])
    rows = [row for row in rows if row["inference_ms"]]
    jobs = []
    for scale in sorted({row["scale"] for row in rows}):
        words = SCALES[scale] if scale in SCALES else f"{int(scale):,} parameters each"
        own = shorten_names([row for row in rows if row["scale"] == scale])
        stem = root / "figures" / f"speed-{scale}"
        jobs += [Job(LADDER, own, f"{words}, {root.name}", stem)]
        for mode in list_modes(own):
            shown = [row for row in own if (row["mode"], row["dtype"]) == (mode, "float32")]
            title = ", ".join(filter(None, (words, MODE_NAMES[mode], root.name)))
            named = stem if mode == "eager" else stem.with_name(f"{stem.name}-{mode}")
            jobs += [Job(plot, shown, title, named) for plot in PLOTS]
    drawings = draw_files(jobs, form, look)
    folder = root / "figures" / look.folder
    for file in {*folder.glob(f"speed-*.{form}")} - {drawing.file for drawing in drawings}:
        file.unlink()  # of cells that are no more
    return drawings


def list_modes(rows: Rows) -> list[str]:
    """Return the modes that were timed at several sizes in float32, eager first."""
    plain = [row for row in rows if row["dtype"] == "float32"]
    sizes = {mode: {row["size"] for row in plain if row["mode"] == mode} for mode in MODES}
    return [mode for mode in MODES if len(sizes[mode]) > 1 or mode == "eager"]


def shorten_names(rows: Rows) -> Rows:
    """Return the rows with models by their bare names, where those tell them apart."""
    models = {row["model"] for row in rows}
    bare = Counter(model.partition("(")[0] for model in models)
    return [
        row | {"model": name if bare[name := bare_name(row)] == 1 else row["model"]} for row in rows
    ]

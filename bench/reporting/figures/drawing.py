"""Figures in files: each is drawn once, and again when its rows or its code have changed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from inspect import getfile
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from msgspec import Struct, to_builtins
from PIL import Image

from bench.reporting.figures import style

CANVASES = {"png": FigureCanvasAgg, "svg": FigureCanvasSVG, "pdf": FigureCanvasPdf}
UNDATED = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
FINGERPRINT = "Fingerprint"  # the text chunk of a PNG that holds it


@dataclass(frozen=True)
class Plot:
    """A kind of figure: the end of its file's name, how it is drawn, and what one sees in it."""

    name: str
    draw: Callable[[Any, str], Figure | None]
    caption: str


@dataclass(frozen=True)
class Drawing:
    """A figure in a file."""

    file: Path
    title: str
    caption: str


def draw_file(plot: Plot, rows: Any, title: str, stem: Path, form: str) -> Drawing | None:  # noqa: ANN401 - JSON or frames
    """Draw the figure of these rows, unless it stands there already; None if they show nothing."""
    file = stem.with_name(f"{stem.name}-{plot.name}.{form}")
    drawing, digest = Drawing(file, title, plot.caption), fingerprint(plot, rows, title)
    if form == "png" and read_fingerprint(file) == digest:
        return drawing
    with mpl.rc_context(style.STYLE):
        figure = plot.draw(rows, title)
        if figure is None:
            file.unlink(missing_ok=True)
            return None
        save(figure, file, digest)
    return drawing


def fingerprint(plot: Plot, rows: Any, title: str) -> str:  # noqa: ANN401 - JSON or frames
    """Return a digest of what a figure shows and of the code that draws it."""
    code = [Path(file).read_text() for file in (getfile(plot.draw), style.__file__)]
    content = [plot.name, title, rows, code]
    text = json.dumps(content, default=_plain)
    return sha256(text.encode()).hexdigest()


def _plain(shown: pd.DataFrame | Struct) -> Any:  # noqa: ANN401 - as JSON holds it
    return shown.to_dict("records") if isinstance(shown, pd.DataFrame) else to_builtins(shown)


def read_fingerprint(file: Path) -> str | None:
    """Return the fingerprint that a PNG carries; None without the file, or without one in it."""
    try:
        if not file.is_file():
            return None
        with Image.open(file) as image:
            return image.info.get(FINGERPRINT)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def save(figure: Figure, file: Path, digest: str) -> None:
    """Write a figure whole, laid out once, without a date."""
    form = file.suffix.removeprefix(".")
    metadata = UNDATED[form] | ({FINGERPRINT: digest} if form == "png" else {})
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    with part.open("wb") as stream:
        getattr(CANVASES[form](figure), f"print_{form}")(stream, metadata=metadata)
    part.replace(file)

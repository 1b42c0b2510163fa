"""Figures in files: each is drawn once, and again when its rows or its code have changed."""

import json
import re
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

from bench.reporting.figures import labels, style
from bench.reporting.figures.style import Look

CANVASES = {"png": FigureCanvasAgg, "svg": FigureCanvasSVG, "pdf": FigureCanvasPdf}
UNDATED = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None},
}
FINGERPRINTS = {"png": "Fingerprint", "svg": "Identifier", "pdf": "Keywords"}  # where it is kept
HEAD = 2**11  # bytes of an SVG among which it is


@dataclass(frozen=True)
class Plot:
    """A kind of figure: the end of its file's name, how it is drawn, and what one sees in it."""

    name: str
    draw: Callable[[Any, str], Figure | None]
    caption: str


@dataclass(frozen=True)
class Drawing:
    """A figure in a file, of a kind of plot."""

    file: Path
    title: str
    caption: str
    kind: str


def draw_file(
    plot: Plot,
    rows: Any,  # noqa: ANN401 - JSON or frames
    title: str,
    stem: Path,
    form: str,
    look: Look = style.SCREEN,
) -> Drawing | None:
    """Draw the figure of these rows, unless it stands there already; None if they show nothing."""
    file = stem.parent / look.folder / f"{stem.name}-{plot.name}.{form}"
    drawing, digest = (
        Drawing(file, title, plot.caption, plot.name),
        fingerprint(plot, rows, title, look),
    )
    if read_fingerprint(file) == digest:
        return drawing
    with mpl.rc_context(look.settings):
        figure = plot.draw(rows, style.verbatim(title))
        if figure is None:
            file.unlink(missing_ok=True)
            return None
        if not look.titled:
            figure.suptitle("")
        save(figure, file, digest)
    return drawing


def fingerprint(plot: Plot, rows: Any, title: str, look: Look) -> str:  # noqa: ANN401 - JSON or frames
    """Return a digest of what a figure shows and of the code that draws it."""
    files = (getfile(plot.draw), style.__file__, labels.__file__)
    code = [Path(file).read_text() for file in files]
    content = [plot.name, title, rows, code, look.folder]
    text = json.dumps(content, default=_plain)
    return sha256(text.encode()).hexdigest()


def _plain(shown: pd.DataFrame | Struct) -> Any:  # noqa: ANN401 - as JSON holds it
    return shown.to_dict("records") if isinstance(shown, pd.DataFrame) else to_builtins(shown)


def read_fingerprint(file: Path) -> str | None:
    """Return the fingerprint that a PNG or SVG carries; None without the file, or any in it."""
    try:
        if not file.is_file():
            return None
        if file.suffix == ".svg":
            with file.open(encoding="utf-8", errors="replace") as stream:
                found = re.search("<dc:identifier>(.*?)<", stream.read(HEAD))
            return found[1] if found else None
        with Image.open(file) as image:
            return image.info.get(FINGERPRINTS["png"])
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def save(figure: Figure, file: Path, digest: str) -> None:
    """Write a figure whole, laid out once, without a date."""
    form = file.suffix.removeprefix(".")
    metadata = UNDATED[form] | {FINGERPRINTS[form]: digest}
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    with part.open("wb") as stream:
        getattr(CANVASES[form](figure), f"print_{form}")(stream, metadata=metadata)
    part.replace(file)

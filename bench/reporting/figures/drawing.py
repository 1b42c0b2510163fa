"""Figures in files: each is drawn once, and again when its rows or its code have changed."""

import json
import re
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from inspect import getfile
from multiprocessing import get_context
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
from bench.system.machine import cores

CANVASES = {"png": FigureCanvasAgg, "svg": FigureCanvasSVG, "pdf": FigureCanvasPdf}
UNDATED = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None},
}
FINGERPRINTS = {"png": "Fingerprint", "svg": "Identifier", "pdf": "Keywords"}  # where it is kept
KEPT = {".svg": rb"<dc:identifier>(\w+)<", ".pdf": rb"/Keywords \((\w+)\)"}  # as it is written
MANY = 16  # figures that are worth processes of their own


@dataclass(frozen=True)
class Plot:
    """A kind of figure: the end of its file's name, how it is drawn, and what one sees in it."""

    name: str
    draw: Callable[[Any, str], Figure | None]
    caption: str


@dataclass(frozen=True)
class Job:
    """A figure to be drawn: its kind, rows and title, and how the name of its file begins."""

    plot: Plot
    rows: Any  # JSON or frames
    title: str
    stem: Path

    def file(self, form: str, look: Look) -> Path:
        """Return the file of the figure in a form and a look."""
        return self.stem.parent / look.folder / f"{self.stem.name}-{self.plot.name}.{form}"


@dataclass(frozen=True)
class Drawing:
    """A figure in a file, of a kind of plot."""

    file: Path
    title: str
    caption: str
    kind: str


def draw_files(jobs: Sequence[Job], form: str, look: Look = style.SCREEN) -> list[Drawing]:
    """Draw the figures that do not stand there already, many side by side; return all there are."""
    digests = {job.file(form, look): fingerprint(job, look) for job in jobs}
    drawings = [
        Drawing(job.file(form, look), job.title, job.plot.caption, job.plot.name) for job in jobs
    ]

    def left() -> list[tuple[Job, Path, str]]:
        pairs = zip(jobs, digests.items(), strict=True)
        return [(job, *own) for job, own in pairs if read_fingerprint(own[0]) != own[1]]

    if len(left()) >= MANY and sys.platform == "linux":
        _draw_side_by_side(left(), look)
    for job, file, digest in left():
        _draw(job, file, digest, look)
    return [drawing for drawing in drawings if drawing.file.is_file()]


def _draw_side_by_side(todo: list[tuple[Job, Path, str]], look: Look) -> None:
    """Draw figures in processes that know all that this one does; what fails there stays undone."""
    context, count = get_context("fork"), cores()
    parts = [todo[first::count] for first in range(count)]
    workers = [context.Process(target=_draw_part, args=(part, look), daemon=True) for part in parts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _draw_part(todo: list[tuple[Job, Path, str]], look: Look) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its daemons
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    with suppress(Exception):
        for job, file, digest in todo:
            _draw(job, file, digest, look)


def _draw(job: Job, file: Path, digest: str, look: Look) -> None:
    """Draw a figure into its file; there is none where its rows show nothing."""
    with mpl.rc_context(look.settings):
        figure = job.plot.draw(job.rows, style.verbatim(job.title))
        if figure is None:
            file.unlink(missing_ok=True)
            return
        if not look.titled:
            figure.suptitle("")
        for title in figure.texts:
            title.set_wrap(True)
        save(figure, file, digest)


def fingerprint(job: Job, look: Look) -> str:
    """Return a digest of what a figure shows and of the code that draws it."""
    files = (getfile(job.plot.draw), style.__file__, labels.__file__, __file__)
    code = [Path(file).read_text() for file in files]
    content = [job.plot.name, job.title, job.rows, code, look.folder]
    text = json.dumps(content, default=_plain)
    return sha256(text.encode()).hexdigest()


def _plain(shown: pd.DataFrame | Struct) -> Any:  # noqa: ANN401 - as JSON holds it
    return shown.to_dict("records") if isinstance(shown, pd.DataFrame) else to_builtins(shown)


def read_fingerprint(file: Path) -> str | None:
    """Return the fingerprint that a figure carries; None without the file, or any in it."""
    try:
        if not file.is_file():
            return None
        if file.suffix in KEPT:
            found = re.search(KEPT[file.suffix], file.read_bytes())
            return found[1].decode() if found else None
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

"""Figures as parts of a page: small SVG without a clash of names, in the colours of the page."""

import re
from pathlib import Path

from markupsafe import escape

from bench.reporting.figures.style import EXACT, FAINT, FREE, GRID, INK, TRIVIAL

FONTS = re.compile(r"font-family: 'DejaVu Sans'[^;\"]*")
FONT = re.compile(r"(font: [^;\"]*?)'DejaVu Sans'[^;\"]*")
DIGITS = re.compile(r"(\d+\.\d\d)\d+")
NAMES = re.compile(r'(?<=\bid=")(?=[^"])|(?<=href="#)|(?<=url\(#)')
VARIABLES = {INK: "ink", FAINT: "faint", GRID: "grid", EXACT: "exact", TRIVIAL: "trivial"}
VARIABLES |= {colour: f"free-{i}" for i, colour in enumerate(FREE)}


def inline_svg(file: Path, label: str) -> str:
    """Return the figure in an SVG file as an element of a page, with a label that is read out."""
    text = file.read_text(encoding="utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", text, flags=re.S)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = NAMES.sub(f"{file.stem}-", text)
    text = FONT.sub(r"\1sans-serif", FONTS.sub("font-family: inherit", text))
    text = re.sub("<[^>]*>", lambda tag: DIGITS.sub(r"\1", re.sub(r" *\n *", " ", tag[0])), text)
    text = re.sub(r">\s+<", "><", text)
    for colour, name in VARIABLES.items():
        text = text.replace(colour, f"var(--{name})")
    box = re.search(r'viewBox="[^"]*"', text)
    start = f'<svg role="img" aria-label="{escape(label)}" {box[0] if box else ""}>'
    return start + text[text.index(">") + 1 :].strip()

"""Where the published records lie, and how what follows from them gets into a page."""

from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "results" / "published"
MACHINE = PUBLISHED / "amd-epyc-2c-2f40"  # the one that has most of them


def fill_block(page: str, name: str, lines: Iterable[str]) -> str:
    """Return the page with these lines between the two comments that bear the block's name.

    Raises `ValueError` unless the page has the block once.
    """
    first, last = f"<!-- {name}: docs/make.py -->\n", f"<!-- /{name} -->"
    if (page.count(first), page.count(last)) != (1, 1):
        raise ValueError(f"the page has not one block of {name}")
    before, _, rest = page.partition(first)
    after = rest.partition(last)[2]
    return "".join([before, first, *(f"{line}\n" for line in lines), last, after])

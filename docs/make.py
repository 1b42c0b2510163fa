"""Writes what pages say of the published records and of docstrings.

`python docs/make.py` writes all pages, `python docs/make.py docs/speed.md` one; a test compares
what it makes with what is there.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pages import discovery, findings, networks, readme, reference, scale, speed  # noqa: E402

from bench.reporting import leaderboard  # noqa: E402 - after the path of the checkout

FILL = {  # each takes the page as it is
    "README.md": readme.fill,
    "docs/discovery.md": discovery.fill,
    "docs/findings.md": lambda _: findings.write_page(),
    "docs/leaderboard.md": lambda _: leaderboard.write_page(ROOT / "results" / "published"),
    "docs/networks.md": networks.fill,
    "docs/reference.md": lambda _: reference.write_page(),
    "docs/scale.md": scale.fill,
    "docs/speed.md": speed.fill,
}


def main(pages: Sequence[str]) -> None:
    """Write the pages anew."""
    for page in pages or FILL:
        file = ROOT / page
        file.write_text(FILL[page](file.read_text()))


if __name__ == "__main__":
    main(sys.argv[1:])

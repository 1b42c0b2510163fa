"""Writes docs/leaderboard.md from the published records: `python docs/make_leaderboard.py`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.reporting.leaderboard import write_page  # noqa: E402 - after the path of the checkout

if __name__ == "__main__":
    (ROOT / "docs" / "leaderboard.md").write_text(write_page(ROOT / "results" / "published"))

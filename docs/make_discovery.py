"""Writes the tables in docs/discovery.md from the published records.

`python docs/make_discovery.py` from the checkout; a test compares what it makes with what is there.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.records.run_store import RunStore  # noqa: E402 - after the path of the checkout
from bench.reporting.discoveries import tabulate_discoveries, write_rows  # noqa: E402
from bench.reporting.discovery_claims import write_claims  # noqa: E402

PAGE = ROOT / "docs" / "discovery.md"
MACHINE = ROOT / "results" / "published" / "amd-epyc-2c-2f40"
BLOCK = re.compile(r"(<!-- (\w+): docs/make_discovery\.py -->\n).*?(<!-- /\2 -->)", re.DOTALL)


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(fill(PAGE.read_text()))


def fill(page: str) -> str:
    """Return the page with the tables that today's records give."""
    records = RunStore(MACHINE).load()[0]
    lines = {
        "comparison": write_rows(tabulate_discoveries(records)),
        "claims": write_claims(records),
    }
    return BLOCK.sub(lambda b: "\n".join([b[1].rstrip(), *lines[b[2]], b[3]]), page)


if __name__ == "__main__":
    main()

"""The tables of discovery.md: what each way to learn a symmetry reaches."""

from bench.records.run_store import RunStore
from bench.reporting.discoveries import tabulate_discoveries, write_rows
from bench.reporting.discovery_claims import write_claims
from pages.published import MACHINE, fill_block


def fill(page: str) -> str:
    """Return the page with the tables that today's records give."""
    records = RunStore(MACHINE).load()[0]
    page = fill_block(page, "comparison", write_rows(tabulate_discoveries(records)))
    return fill_block(page, "claims", write_claims(records))

"""What is kept of another package's network: its times, and those of ours, beside the unit's."""

from itertools import product
from typing import Any, Literal

from msgspec import Struct

from bench.records.files import convert
from bench.records.machine_facts import MachineFacts
from bench.records.timings import Timing

NETWORKS = ("theirs", "ours", "unit")
PEER_KINDS = ("inference", "training")


class PeerCase(Struct, frozen=True):
    """Times and counters of the three networks on `batch` clouds of `n` objects."""

    n: int
    batch: int
    model: str
    parameters: dict[str, int]
    timings: dict[str, Timing]
    flops: dict[str, int | None]
    peak_bytes: dict[str, int]

    def __post_init__(self) -> None:
        names = {"timings": {f"{which} {kind}" for which, kind in product(NETWORKS, PEER_KINDS)}}
        for part in ("parameters", "timings", "flops", "peak_bytes"):
            lacking = names.get(part, {*NETWORKS}) - getattr(self, part).keys()
            if lacking:
                raise ValueError(f"{part} lacks {', '.join(sorted(lacking))}")


class PeerRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A package's version and its cases, as many as ran before the `reason` that ended them.

    Theirs and ours do the same `job`; where one is a smaller class of functions, `differs` says so.
    """

    peer: str
    version: str
    job: Literal["vectors", "energy", "forces"]
    differs: str = ""
    cells: list[PeerCase]
    reason: str | None = None
    machine: MachineFacts


def parse(plain: Any) -> PeerRecord:  # noqa: ANN401 - any JSON
    """Return the record that JSON holds. Raises `ValueError`, naming the field, if it is none."""
    return convert(plain, PeerRecord)

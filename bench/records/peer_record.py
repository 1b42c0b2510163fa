"""What is kept of another package's network: its times, and those of ours, beside the unit's."""

from itertools import product
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bench.records.files import convert
from bench.records.machine_facts import MachineFacts
from bench.records.run_record import Count
from bench.records.timings import Timing

NETWORKS = ("theirs", "ours", "unit")
PEER_KINDS = ("inference", "training")
Size = Annotated[int, Meta(ge=1, lt=2**31)]


class PeerCase(Struct, frozen=True, forbid_unknown_fields=True):
    """Times and counters of the three networks on `batch` clouds of `n` objects."""

    n: Size
    batch: Size
    model: str
    parameters: dict[str, Count]
    timings: dict[str, Timing]
    flops: dict[str, Count | None]
    peak_bytes: dict[str, Count]

    def __post_init__(self) -> None:
        names = {"timings": {f"{which} {kind}" for which, kind in product(NETWORKS, PEER_KINDS)}}
        for part in ("parameters", "timings", "flops", "peak_bytes"):
            lacking = names.get(part, {*NETWORKS}) - getattr(self, part).keys()
            if lacking:
                raise ValueError(f"{part} lacks {', '.join(sorted(lacking))}")


class PeerRecord(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A package's version and its cases, as many as ran before the `reason` that ended them.

    Theirs and ours do the same `job`; how else they differ is in `differs`, and which of them is
    the `smaller` class of functions, if one is. Of what is no package `source` has the repository,
    the commit, and what was changed. It is `unfinished` while sizes are left to be timed.
    """

    peer: str
    version: str
    job: Literal["vectors", "energy", "forces", "harmonics"]
    differs: str = ""
    smaller: Literal["", "theirs", "ours"] = ""
    source: dict[str, str] = {}
    cells: list[PeerCase]
    reason: str | None = None
    unfinished: bool = False
    machine: MachineFacts


def parse(plain: Any) -> PeerRecord:  # noqa: ANN401 - any JSON
    """Return the record that JSON holds. Raises `ValueError`, naming the field, if it is none."""
    return convert(plain, PeerRecord)

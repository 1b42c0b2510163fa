"""How long networks of published sizes take on a GPU, as CUDA graphs."""

from dataclasses import dataclass
from functools import cache

from bench.core.cases import UNIT
from bench.records.speed_record import CaseKind, SpeedRecord
from bench.records.speed_store import SpeedStore
from bench.reporting import comparisons, formats
from pages.published import PUBLISHED

GPU = PUBLISHED / "h100-80gb-hbm3"
BATCH = 32  # samples a call


@dataclass(frozen=True)
class Times:
    """Milliseconds of a network at a size, and how many times as long as the Transformer it takes.

    Its training step is plain, the Transformer's one with REMUL, which sees two poses a sample.
    """

    nodes: int
    network: str
    inference_ms: str
    inference: float | None
    step_ms: str
    step: float | None


@cache
def compare_graphs() -> tuple[Times, ...]:
    """Return the times of each network in turn with the Transformer, by the number of bodies."""
    records = list(filter(_is_shown, SpeedStore(GPU).load()[0]))
    records.sort(key=lambda record: (record.cell.nodes, record.cell.model.name))
    units = {record.cell.nodes: record for record in records if record.cell.model.name == UNIT.name}
    times = []
    for record in records:
        unit, network = units[record.cell.nodes], record.cell.model.name
        step: CaseKind = "remul_step" if network == UNIT.name else "train_step"
        inference_ms, step_ms = (
            formats.plain(record.timings[kind].median_ms, 3) for kind in ("inference", step)
        )
        inference = _divide(record, unit, "inference", "inference")
        step_times = _divide(record, unit, step, "remul_step")
        one = Times(record.cell.nodes, network, inference_ms, inference, step_ms, step_times)
        times.append(one)
    return tuple(times)


def _is_shown(record: SpeedRecord) -> bool:
    shown = record.cell.mode, record.cell.dtype, record.cell.batch, record.scale, record.status
    return shown == ("cuda_graph", "float32", BATCH, "paper", "done")


def say_span(network: str, kind: str = "inference") -> str:
    """Return the least and the largest factor of a network's inference, or step, over the sizes."""
    found = [getattr(one, kind) for one in compare_graphs() if one.network == network]
    times = [factor for factor in found if factor]
    return f"{formats.plain(min(times), 3)} to {formats.plain(max(times), 3)}"


def _divide(record: SpeedRecord, unit: SpeedRecord, kind: CaseKind, of: CaseKind) -> float | None:
    """Return how many times as long one takes as the other; None of disturbed times."""
    own, other = record.timings[kind], unit.timings[of]
    if record.session != unit.session or "C" in (own.quality, other.quality):
        return None
    pairs = zip(own.samples_ms, other.samples_ms, strict=True)
    return comparisons.median_interval([mine / theirs for mine, theirs in pairs])[0]

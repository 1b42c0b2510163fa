"""The table of the speed grid from its records alone."""

from collections.abc import Iterable, Sequence
from math import inf
from pathlib import Path
from statistics import quantiles
from typing import Any

from bench.core import cases
from bench.core.cases import CASE_KINDS
from bench.records import files
from bench.records.speed_record import SpeedRecord
from bench.records.speed_store import SpeedStore
from bench.records.timings import DISTURBED_SPREAD
from bench.reporting import formats
from bench.reporting.choice import choose
from bench.reporting.comparisons import median_interval
from bench.reporting.formats import Column, Row, Table, Write

HIDDEN = ("key", "batch_size")  # from CSV
SHORT = dict(zip(CASE_KINDS, ("infer", "step", "augment", "remul"), strict=True))


def make_rows(records: Iterable[SpeedRecord]) -> list[dict[str, Any]]:
    """Return a flat row for each record, in an order that does not depend on that of the files."""
    rows = [_row(record) for record in records]
    eager = {_eager_case(row): row for row in rows if row["mode"] == "eager"}
    for row in rows:
        row |= _break_even(row, eager.get(_eager_case(row)))
    order = ("nodes", "batch", "model", "mode", "dtype")
    return sorted(rows, key=lambda row: tuple(row[name] for name in order))


def _row(record: SpeedRecord) -> dict[str, Any]:
    cell = record.cell
    row = {
        "model": str(cell.model), "size": f"{cell.nodes} x {cell.batch}", "nodes": cell.nodes,
        "batch": cell.batch, "mode": cell.mode, "dtype": cell.dtype, "status": record.status,
        "scale": record.scale, "key": record.key,
        "equivariant": record.equivariant, "session": record.session,
        "why": "; ".join(sorted(set(record.reasons.values()))), **record.counters,
        **record.ceilings,
    }  # fmt: skip
    row["batch_size"] = cell.batch
    row["rung"] = f"{cell.mode}, {cell.dtype}"
    for kind in CASE_KINDS:
        timing = record.timings.get(kind)
        for name in ("median_ms", "x_unit", "quality", "first_call_s", "energy_mj"):
            short = {"median_ms": f"{kind}_ms"}.get(name, f"{kind}_{name}")
            row[short] = getattr(timing, name, None) or None
        _, low, high = median_interval(timing.ratios) if timing and timing.ratios else 3 * (None,)
        row[f"{kind}_x_unit_quality"] = _grade(timing.ratios if timing else None)
        row[f"{kind}_x_unit_low"], row[f"{kind}_x_unit_high"] = low, high
        row[f"{kind}_shares"] = _shares(row, kind)
    return row


def _grade(ratios: Sequence[float] | None) -> str | None:
    """Return C where ratios to the unit are as far apart as samples of a disturbed time."""
    if not ratios or len(ratios) < 2:
        return None
    low, middle, high = quantiles(ratios, n=4)
    return "C" if (high - low) / middle >= DISTURBED_SPREAD else None


def _shares(row: Row, kind: str) -> tuple[float, float] | None:
    """Return shares of the ceilings of matrix products and of bandwidth that a timed kind reaches.

    Known where FLOPs and bytes are counted, inference and the plain step; ceilings are those of the
    precision. Bytes are those of all operations one by one, so a cache or a compiler can bring
    their share above 1.
    """
    prefix = {"inference": "", "train_step": "step_"}.get(kind)
    seconds = 1e-3 * (row[f"{kind}_ms"] or 0)
    if prefix is None or not seconds:
        return None
    counts = [row.get(f"{prefix}{name}") for name in ("flops", "moved_bytes")]
    rates = [row.get(name) for name in ("flops_per_s", "bytes_per_s")]
    if None in (*counts, *rates):
        return None
    flops, moved = (count / seconds / rate for count, rate in zip(counts, rates, strict=True))
    return flops, moved


def _eager_case(row: Row) -> tuple[Any, ...]:
    return row["model"], row["nodes"], row["batch"], row["dtype"]


def _break_even(row: Row, eager: Row | None) -> dict[str, float | None]:
    """Return the calls after which a mode with a slow first call has paid for it.

    The eager time is that of the mode's own session, from the ratios of both to the unit.
    """
    calls = {}
    for kind in CASE_KINDS:
        name = f"{kind}_break_even"
        calls[name] = None
        ratio = f"{kind}_x_unit"
        if eager is None or eager is row or not (row[ratio] and eager[ratio]):
            continue
        if None in (row[f"{kind}_first_call_s"], eager[f"{kind}_first_call_s"]):
            continue
        saved_s = 1e-3 * row[f"{kind}_ms"] * (eager[ratio] / row[ratio] - 1)
        cost_s = row[f"{kind}_first_call_s"] - eager[f"{kind}_first_call_s"]
        calls[name] = max(0.0, cost_s / saved_s) if saved_s > 0 else inf
    return calls


def columns() -> list[Column]:
    """Return the columns of the printed table."""
    times = [
        column
        for kind, short in SHORT.items()
        for column in (
            Column(f"{short} ms", f"{kind}_ms", _time),
            Column(f"{short} x unit", f"{kind}_x_unit", _ratio),
        )
    ]
    return [
        Column("model", "model", formats.word),
        Column("nodes x batch", "size", formats.word),
        Column("mode", "rung", formats.word),
        Column("params", "parameters", formats.whole),
        Column("GFLOP", "flops", formats.in_units(1e9)),
        *times,
        Column("first call s", "train_step_first_call_s", formats.ratio),
        Column("break-even", "train_step_break_even", _calls),
        Column("step MB", "step_peak_bytes", formats.in_units(1e6)),
        Column("step mJ", "train_step_energy_mj", _energy),
        Column("of peak", "train_step_shares", _percent),
        Column("step samples/s", "train_step_ms", formats.per_second),
        Column("infer samples/s", "inference_ms", formats.per_second),
    ]


def _time(row: Row, name: str) -> str:
    full = row[name] is None and row["status"] == "oom"
    return row["status"] if full else formats.number(row, name)


def _ratio(row: Row, name: str) -> str:
    return formats.ratio(row, name) + " C" * (row[f"{name}_quality"] == "C")


def _energy(row: Row, name: str) -> str:
    return "n/a" if row[name] is None else formats.number(row, name)


def _calls(row: Row, name: str) -> str:
    if row[name] is None:
        return formats.ABSENT
    return "never" if row[name] == inf else f"{row[name]:,.0f}"


def _percent(row: Row, name: str) -> str:
    return f"{row[name][0]:.0%} / {row[name][1]:.0%}" if row[name] else formats.ABSENT


def write_speed_table(root: Path, form: str, write: Write = files.write_whole) -> str:
    """Write root/tables/speed.* in every form, and return the table in one; "" without any."""
    if not (root / "speed").is_dir():
        return ""
    texts = forms(root)
    for name, suffix in formats.SUFFIXES.items():
        write(root / "tables" / f"speed.{suffix}", texts[name])
    return texts[form]


def forms(root: Path) -> dict[str, str]:
    """Return the table of a machine's speed records in every form."""
    table, rows = fill_table(root)
    names = dict.fromkeys(
        name for row in rows for name in row if not name.endswith("_shares") and name != "key"
    )
    return formats.format_tables([choose(table)]) | {"csv": formats.format_csv(rows, names)}


def fill_table(root: Path) -> tuple[Table, list[dict[str, Any]]]:
    """Return the table of a machine's speed records, and its rows."""
    records, problems = SpeedStore(root).load()
    rows = make_rows(records)
    notes = footnotes(rows) + problems
    return formats.fill_table(f"speed on {root.name}", columns(), rows, notes), rows


def footnotes(rows: list[dict[str, Any]]) -> list[str]:
    """Return what to know of the numbers, and why cells are empty."""
    sessions = len({row["session"] for row in rows})
    notes = [
        "medians; a session for each size and mode, in which one process per model takes turns; "
        f"{sessions} sessions",
        f"x unit: median of the ratios to {cases.UNIT}, eager, in the same rounds of a session; "
        "above 1 is slower",
        "step: plain training, forward, backward, optimiser; GFLOP: matrix products and attention "
        "of inference; step MB: most bytes alive at once that the step made",
        "of peak: shares of this machine's matrix product and copy rates that the step reaches",
    ]
    marked = (*CASE_KINDS, *(f"{kind}_x_unit" for kind in CASE_KINDS))
    if any(formats.is_disturbed(row, marked) for row in rows):
        notes.insert(1, f"{formats.DISTURBED}; x unit, a ratio within each round, has its own mark")
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row["why"]:
            place = f"{row['size']} {row['rung']}"
            reasons.setdefault(f"{row['model']}: {row['why']}", []).append(place)
    return notes + [f"not timed: {why} ({', '.join(where)})" for why, where in reasons.items()]

"""Time and memory of a training step against the number of objects, of other packages' and ours."""

from collections.abc import Iterator
from math import log
from pathlib import Path
from statistics import linear_regression
from typing import Any

from bench.records import files
from bench.records.peer_record import PeerCase, PeerRecord
from bench.records.peer_store import MANY, NEIGHBOURS, PeerStore
from bench.reporting import formats

SIDES = ("theirs", "ours")
MEASURES = {"ms": "time", "mb": "memory"}


def write_scaling_table(root: Path, form: str, write: formats.Write = files.write_whole) -> str:
    """Write root/tables/scaling.* in every form, and return the table in one; "" without any."""
    rows = make_rows(root)
    if not rows:
        return ""
    texts = forms(rows)
    for name, suffix in formats.SUFFIXES.items():
        write(root / "tables" / f"scaling.{suffix}", texts[name])
    return texts[form]


def forms(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Return the table in every form."""
    title = "Time and memory of a training step against the number of objects"
    notes = [
        f"one cloud, {NEIGHBOURS} nearest neighbours an object; ours has as many parameters as "
        "theirs; medians on one thread, float32, eager, in turn in one process",
        "MB: peak of what the step makes itself; power: of the number of objects, by least squares",
    ]
    names = dict.fromkeys(name for row in rows for name in row if name != "sizes")
    table = formats.fill_table(title, _columns(rows), rows, notes)
    return formats.format_tables([table]) | {"csv": formats.format_csv(rows, names)}


def make_rows(root: Path) -> list[dict[str, Any]]:
    """Return a row for each network that was timed on graphs of three sizes or more."""
    peers = PeerStore(root).load()[0]
    return [row for peer in peers for row in _rows(peer)]


def graphs(peer: PeerRecord) -> list[PeerCase]:
    """Return the cases with so many objects that they are graphs."""
    return [case for case in peer.cells if case.n > MANY]


def power(sizes: list[int], values: list[float]) -> float:
    """Return with what power of the size the values grow, to the digits that Pythons agree on."""
    return round(linear_regression([*map(log, sizes)], [*map(log, values)]).slope, 6)


def _rows(peer: PeerRecord) -> Iterator[dict[str, Any]]:
    cases = graphs(peer)
    sizes = [case.n for case in cases]
    for side in SIDES if len(cases) > 2 else ():
        own = f"remul {cases[0].model}"
        row = {
            "network": f"{peer.peer} {peer.version}" if side == "theirs" else own,
            "beside": peer.peer,
            "side": side,
            "job": peer.job,
            "sizes": sizes,
        }
        values = {
            "ms": [case.timings[f"{side} training"].median_ms for case in cases],
            "mb": [case.peak_bytes[side] / 1e6 for case in cases],
        }
        for name, measured in values.items():
            row |= {f"{name}_{n}": value for n, value in zip(sizes, measured, strict=True)}
            row[f"{name}_power"] = power(sizes, measured)
        yield row


def _columns(rows: list[dict[str, Any]]) -> list[formats.Column]:
    sizes = sorted({n for row in rows for n in row["sizes"]})
    words = [("network", "network"), ("beside", "beside"), ("job", "job")]
    columns = [formats.Column(heading, name, formats.word) for heading, name in words]
    for unit, measure in MEASURES.items():
        heading = "MB" if unit == "mb" else unit
        columns += [
            formats.Column(f"{heading}, {n:,}", f"{unit}_{n}", formats.number) for n in sizes
        ]
        columns.append(formats.Column(f"{measure}, power", f"{unit}_power", _hundredths))
    return columns


def _hundredths(row: formats.Row, name: str) -> str:
    return f"{row[name]:.2f}"

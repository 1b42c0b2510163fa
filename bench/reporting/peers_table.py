"""The table of other packages' networks and ours, from what was measured of them."""

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.records import files
from bench.records.peer_record import PEER_KINDS, PeerRecord
from bench.records.peer_store import MANY, NEIGHBOURS, PeerStore
from bench.records.timings import Timing
from bench.reporting import formats
from bench.reporting.scaling_table import graphs, power


def write_peers_table(root: Path, form: str, write: formats.Write = files.write_whole) -> str:
    """Write root/tables/peers.* in every form, and return the table in one; "" without any."""
    if not (root / "peers").is_dir():
        return ""
    texts = forms(root)
    for name, suffix in formats.SUFFIXES.items():
        write(root / "tables" / f"peers.{suffix}", texts[name])
    return texts[form]


def forms(root: Path) -> dict[str, str]:
    """Return the table of all peers in every form."""
    table, rows = fill_table(root)
    names = dict.fromkeys(name for row in rows for name in row if name != "file")
    return formats.format_tables([table]) | {"csv": formats.format_csv(rows, names)}


def fill_table(root: Path) -> tuple[formats.Table, list[dict[str, Any]]]:
    """Return the table of all peers, theirs and ours in units of the unit, and its rows."""
    peers, problems = PeerStore(root).load()
    rows = [row for peer in peers for row in _rows(peer)]
    notes = [
        "inference / training (forward and backward): medians over that of a Transformer of 4 "
        "layers and 128 channels, all three in turn in one process, one thread, float32, eager",
        f"ours has its width set for as many parameters; above {MANY} bodies graphs have "
        f"{NEIGHBOURS} nearest neighbours, the rest is over all pairs",
        "x faster: theirs over ours, the median of the rounds, with the least and the most of them",
        "MB: peak of a training step, of what it makes itself; MFLOP: of one inference, matrix "
        "products and attention alone",
        "vectors: a vector of each object; energy: one scalar of a sample; forces: minus the "
        "gradient of an energy, on both sides; harmonics: those of all edges, and their gradient",
        "smaller class: whose network can be fewer functions, by what is said below",
        *[f"{peer.peer}: {peer.differs}" for peer in peers if peer.differs],
        *[f"{peer.peer}: {_origin(peer.source)}" for peer in peers if peer.source],
        *[line for peer in peers for line in _exponents(peer)],
        *[f"{peer.peer} {peer.version}: {peer.reason}" for peer in peers if peer.reason],
        *[f"{peer.peer}: sizes are left to be timed" for peer in peers if peer.unfinished],
        *_versions(peers),
        *problems,
    ]
    return formats.fill_table("Ours against other packages", COLUMNS, rows, notes), rows


def _rows(peer: PeerRecord) -> Iterator[dict[str, Any]]:
    for cell in peer.cells:
        median = {name: timing.median_ms for name, timing in cell.timings.items()}
        row = {
            "peer": f"{peer.peer} {peer.version}",
            "job": peer.job,
            "file": f"{peer.peer}.json",
            "size": f"{cell.n} x {cell.batch}",
            "model": cell.model,
            "smaller": peer.smaller or formats.ABSENT,
        }
        for which in ("theirs", "ours"):
            row[f"{which}_parameters"] = cell.parameters[which]
            row[f"{which}_flops"] = cell.flops[which]
            row[f"{which}_mb"] = cell.peak_bytes[which] / 1e6
            for kind in PEER_KINDS:
                row[f"{which}_{kind}"] = median[f"{which} {kind}"] / median[f"unit {kind}"]
        for kind in PEER_KINDS:
            rounds = _compare_rounds(cell.timings[f"theirs {kind}"], cell.timings[f"ours {kind}"])
            row[f"faster_{kind}"] = statistics.median(rounds)
            row[f"faster_{kind}_low"], row[f"faster_{kind}_high"] = min(rounds), max(rounds)
        yield row


def _compare_rounds(theirs: Timing, ours: Timing) -> list[float]:
    """Return the ratio of each round, of the medians where rounds were not kept."""
    rounds = zip(theirs.samples_ms, ours.samples_ms, strict=False)
    return [a / b for a, b in rounds] or [theirs.median_ms / ours.median_ms]


def _origin(source: dict[str, str]) -> str:
    """Return from where a peer that is no package was taken, and what was changed."""
    changes = source.get("changes", "nothing")
    return f"{source['repository']} at {source['commit'][:8]}, timed outside; changed: {changes}"


def _exponents(peer: PeerRecord) -> Iterator[str]:
    """Yield with what power of the number of objects time and memory grow on graphs."""
    cases = graphs(peer)
    if len(cases) < 3:
        return
    sizes, words = [case.n for case in cases], []
    for which in ("theirs", "ours"):
        times = [case.timings[f"{which} training"].median_ms for case in cases]
        bytes_ = [case.peak_bytes[which] for case in cases]
        powers = (power(sizes, values) for values in (times, bytes_))
        words.append(f"{which} " + " and ".join(f"{power:.2f}" for power in powers))
    powers = f"step and memory grow with n to the power of {', '.join(words)}"
    yield f"{peer.peer}: {powers}, from {sizes[0]:,} to {sizes[-1]:,} objects"


def _versions(found: list[PeerRecord]) -> list[str]:
    told = {f"torch {peer.machine.torch}, e3nn {peer.machine.e3nn}" for peer in found}
    return [f"{peer.machine.processor}, " + "; ".join(sorted(told)) for peer in found[:1]]


def _pair(row: formats.Row, name: str) -> str:
    return " / ".join(formats.plain(row[f"{name}_{kind}"], 2) for kind in PEER_KINDS)


def _range(row: formats.Row, name: str) -> str:
    ends = (formats.plain(row[f"{name}{end}"], 3) for end in ("", "_low", "_high"))
    return "{} ({} to {})".format(*ends)


COLUMNS = [
    formats.Column("peer", "peer", formats.word),
    formats.Column("job", "job", formats.word),
    formats.Column("our model", "model", formats.word),
    formats.Column("smaller class", "smaller", formats.word),
    formats.Column("nodes x batch", "size", formats.word),
    formats.Column("their params", "theirs_parameters", formats.whole),
    formats.Column("our params", "ours_parameters", formats.whole),
    formats.Column("their MFLOP", "theirs_flops", formats.in_units(1e6)),
    formats.Column("our MFLOP", "ours_flops", formats.in_units(1e6)),
    formats.Column("theirs", "theirs", _pair),
    formats.Column("ours", "ours", _pair),
    formats.Column("x faster, inference", "faster_inference", _range),
    formats.Column("x faster, training", "faster_training", _range),
    formats.Column("their MB", "theirs_mb", formats.number),
    formats.Column("our MB", "ours_mb", formats.number),
]

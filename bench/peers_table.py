"""What was measured of other packages' networks: its files, and the table of theirs and ours."""

import json
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from bench import plugins, pool, records, render

MANY, NEIGHBOURS = 32, 16  # beyond so many objects a graph has so many neighbours an object


def measure(root: Path, device: str, force: bool) -> bool:
    """Faces every installed peer that has no file of its version yet; whether all of them ran.

    Each in a fresh process; a peer whose package is not there is skipped with a line.
    """
    complete = True
    for name in plugins.names("peers"):
        version = installed(name)
        if version is None:
            print(f"{name}: skipped, needs `pip install {plugins.package(name)}`")
            continue
        if not force and _known(root, name) == version:
            continue
        try:
            found = pool.ask({"do": "face", "peer": name, "device": device})
        except RuntimeError as error:
            complete = False
            print(f"{name} {version}: {error}")
            continue
        records.write_whole(root / "peers" / f"{found['peer']}.json", records.as_text(found))
        complete &= "reason" not in found
        print(f"{name} {version}: {found.get('reason', 'timed')}")
    return complete


def installed(name: str) -> str | None:
    """Version of the package behind a peer, None where it is not installed."""
    try:
        return distribution(plugins.package(name)).version
    except PackageNotFoundError:
        return None


def _known(root: Path, name: str) -> str | None:
    """The version that was measured to the end, if one was."""
    try:
        found = json.loads((root / "peers" / f"{name}.json").read_text())
    except (OSError, ValueError):
        return None
    return None if "reason" in found else found["version"]


def write(root: Path, form: str) -> str:
    """Writes root/tables/peers.* in every form, and returns the table in one; "" without any."""
    if not (root / "peers").is_dir():
        return ""
    made = forms(root)
    for name, suffix in render.SUFFIXES.items():
        records.write_whole(root / "tables" / f"peers.{suffix}", made[name])
    return made[form]


def forms(root: Path) -> dict[str, str]:
    """What was measured of all peers, in every form, theirs and ours in units of the unit."""
    found, torn = [], []
    for file in sorted((root / "peers").glob("*.json")):
        try:
            found.append(records.opened(file, _checked))
        except ValueError as error:
            torn.append(str(error))
    rows = [row for peer in found for row in _rows(peer)]
    notes = [
        "inference / training (forward and backward): medians over that of a Transformer of 4 "
        "layers and 128 channels, all three in turn in one process, one thread, float32, eager",
        f"ours has its width set for as many parameters; above {MANY} bodies graphs have "
        f"{NEIGHBOURS} nearest neighbours, the rest is over all pairs",
        "x faster: theirs over ours; MB: peak of a training step, of what it makes itself; MFLOP: "
        "of one inference, matrix products and attention alone",
        *[
            f"{peer['peer']} {peer['version']}: {peer['reason']}"
            for peer in found
            if "reason" in peer
        ],
        *_versions(found),
        *torn,
    ]
    printed = {
        form: render.table(form, "Ours against other packages", COLUMNS, rows, notes)
        for form in ("text", "md", "html", "latex")
    }
    names = dict.fromkeys(name for row in rows for name in row)
    return printed | {"csv": render.comma_separated(rows, names)}


def _checked(peer: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    if not (isinstance(peer, dict) and {"peer", "version", "cells", "machine"} <= peer.keys()):
        raise ValueError("it lacks the peer, its version, its cells or the machine")
    return peer


def _rows(peer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for cell in peer["cells"]:
        median = {name: timing["median_ms"] for name, timing in cell["timings"].items()}
        row = {
            "peer": f"{peer['peer']} {peer['version']}",
            "size": f"{cell['n']} x {cell['batch']}",
            "model": cell["model"],
        }
        for which in ("theirs", "ours"):
            row[f"{which}_parameters"] = cell["parameters"][which]
            row[f"{which}_flops"] = cell["flops"][which]
            row[f"{which}_mb"] = cell["peak_bytes"][which] / 1e6
            for kind in ("inference", "training"):
                row[f"{which}_{kind}"] = median[f"{which} {kind}"] / median[f"unit {kind}"]
        for kind in ("inference", "training"):
            row[f"faster_{kind}"] = median[f"theirs {kind}"] / median[f"ours {kind}"]
        yield row


def _versions(found: list[dict[str, Any]]) -> list[str]:
    told = {f"torch {peer['machine']['torch']}, e3nn {peer['machine']['e3nn']}" for peer in found}
    return [f"{peer['machine']['processor']}, " + "; ".join(sorted(told)) for peer in found[:1]]


def _pair(row: render.Row, name: str) -> str:
    return " / ".join(render.plain(row[f"{name}_{kind}"], 2) for kind in ("inference", "training"))


COLUMNS = [
    render.Column("peer", "peer", render.word),
    render.Column("our model", "model", render.word),
    render.Column("nodes x batch", "size", render.word),
    render.Column("their params", "theirs_parameters", render.whole),
    render.Column("our params", "ours_parameters", render.whole),
    render.Column("their MFLOP", "theirs_flops", render.in_units(1e6)),
    render.Column("our MFLOP", "ours_flops", render.in_units(1e6)),
    render.Column("theirs", "theirs", _pair),
    render.Column("ours", "ours", _pair),
    render.Column("x faster", "faster", _pair),
    render.Column("their MB", "theirs_mb", render.number),
    render.Column("our MB", "ours_mb", render.number),
]

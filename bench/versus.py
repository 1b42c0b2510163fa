"""Our networks against other packages' of the same kind, at matched sizes, in one session each."""

import json
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench import counters, machine, plugins, render, sizes
from bench.execute import clock
from bench.timing import measure
from remul import POINT, SCALAR, VECTOR, Signature
from remul.fields import Fields

SIGNATURE = Signature({"charge": SCALAR, "position": POINT, "velocity": VECTOR}, {"force": VECTOR})
UNIT = {"channels": 128, "layers": 4, "heads": 4}
CLOUDS = ((5, 128), (20, 32), (20, 1), (100, 1))
MANY, NEIGHBOURS = 32, 16  # beyond so many objects a graph has so many neighbours an object
ATTENDING = ("transformer", "gatr")  # all objects attend to all, whatever their number
ROUNDS = 12
Cell = dict[str, Any]


def installed(name: str) -> str | None:
    """Version of the package behind a peer, None where it is not installed."""
    try:
        return distribution(plugins.package(name)).version
    except PackageNotFoundError:
        return None


def face(name: str, device: str) -> dict[str, Any]:
    """Times one peer, ours of its kind with as many parameters, and the unit, on all clouds.

    Whatever the package raises becomes the `reason`; the sizes before it are kept.
    """
    version = installed(name)
    found: dict[str, Any] = {"peer": name, "version": version, "cells": []}
    try:
        peer = plugins.load("peers", name)
        for n, batch in CLOUDS:
            found["cells"].append(_cell(peer, n, batch, device))
    except Exception as error:
        found["reason"] = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return found | {"machine": machine.facts(device)}


def _cell(peer: Any, n: int, batch: int, device: str) -> Cell:  # noqa: ANN401 - a module
    """Timings of the three networks on a batch of clouds, turn by turn."""
    neighbours = NEIGHBOURS if n > MANY else None
    torch.random.manual_seed(0)
    ours = dict(peer.OURS["kwargs"])
    if peer.OURS["name"] not in ATTENDING:
        ours["neighbours"] = neighbours
    unit = plugins.load("models", "transformer").build(SIGNATURE, **UNIT).to(device)
    theirs = peer.build(neighbours).float().to(device)
    name, wanted = peer.OURS["name"], counters.parameters(theirs)
    matched = sizes.build_matched(name, SIGNATURE, wanted, **ours).float().to(device)
    networks = {"theirs": theirs, "ours": matched, "unit": unit}
    inputs = _cloud(n, batch, device)
    functions = {
        (which, kind): function
        for which, network in networks.items()
        for kind, function in _functions(network, inputs)
    }
    timings = measure(functions, ROUNDS, clock(device))
    return {
        "n": n,
        "batch": batch,
        "model": str(name),
        "parameters": {which: counters.parameters(network) for which, network in networks.items()},
        "timings": {f"{which} {kind}": timing for (which, kind), timing in timings.items()},
        "peak_bytes": {
            which: counters.peak_bytes(functions[which, "training"], device) for which in networks
        },
    }


def _cloud(n: int, batch: int, device: str) -> Fields:
    generator = torch.Generator().manual_seed(0)
    shapes = {"charge": 1, "position": 3, "velocity": 3}
    fields = {k: torch.randn(batch, n, dim, generator=generator) for k, dim in shapes.items()}
    return {name: x.to(device) for name, x in fields.items()}


def _functions(network: nn.Module, inputs: Fields) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Training (forward and backward) and inference of whatever fields the network gives."""

    def loss() -> Tensor:
        return sum(x.square().mean() for x in network(inputs).values())

    def training() -> None:
        network.zero_grad(set_to_none=True)
        loss().backward()

    @torch.no_grad()  # some packages keep tensors between calls, which inference mode forbids
    def inference() -> None:
        network(inputs)

    yield "training", training
    yield "inference", inference


def write(root: Path, found: dict[str, Any]) -> None:
    """Keeps what was measured of one peer."""
    file = root / "peers" / f"{found['peer']}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    part.replace(file)


def table(root: Path, form: str) -> str:
    """What was measured of all peers, as text or Markdown, theirs and ours in units of the unit."""
    found = [json.loads(file.read_text()) for file in sorted((root / "peers").glob("*.json"))]
    rows = [row for peer in found for row in _rows(peer)]
    notes = [
        "inference / training (forward and backward): medians over that of a Transformer of 4 "
        "layers and 128 channels, all three in turn in one process, one thread, float32, eager",
        f"ours has its width set for as many parameters; above {MANY} bodies graphs have "
        f"{NEIGHBOURS} nearest neighbours, the rest is over all pairs",
        "faster: theirs over ours; MB: peak of a training step, of what it makes itself",
        *[
            f"{peer['peer']} {peer['version']}: {peer['reason']}"
            for peer in found
            if "reason" in peer
        ],
        *_versions(found),
    ]
    return render.table(form, "Ours against other packages", COLUMNS, rows, notes)


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
            row[f"{which}_mb"] = cell["peak_bytes"][which] / 1e6
            for kind in ("inference", "training"):
                row[f"{which}_{kind}"] = median[f"{which} {kind}"] / median[f"unit {kind}"]
        for kind in ("inference", "training"):
            row[f"{kind}_faster"] = median[f"theirs {kind}"] / median[f"ours {kind}"]
        yield row


def _versions(found: list[dict[str, Any]]) -> list[str]:
    told = {f"torch {peer['machine']['torch']}, e3nn {peer['machine']['e3nn']}" for peer in found}
    return [f"{peer['machine']['processor']}, " + "; ".join(sorted(told)) for peer in found[:1]]


def _pair(row: render.Row, name: str) -> str:
    return " / ".join(f"{row[f'{name}_{kind}']:.2g}" for kind in ("inference", "training"))


def _faster(row: render.Row, name: str) -> str:
    return " / ".join(f"{row[f'{kind}_faster']:.2g}" for kind in ("inference", "training"))


COLUMNS = [
    render.Column("peer", "peer", render.word),
    render.Column("nodes x batch", "size", render.word),
    render.Column("ours", "model", render.word),
    render.Column("params", "theirs_parameters", render.whole),
    render.Column("ours", "ours_parameters", render.whole),
    render.Column("theirs", "theirs", _pair),
    render.Column("ours", "ours", _pair),
    render.Column("faster", "faster", _faster),
    render.Column("MB theirs", "theirs_mb", render.number),
    render.Column("MB ours", "ours_mb", render.number),
]

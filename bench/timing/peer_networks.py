"""Our networks against other packages' of the same kind, at matched sizes, in one session each."""

from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from bench.core import plugins, sizes
from bench.core.networks import build_network
from bench.records.machine_facts import MachineFacts
from bench.records.peer_record import PeerCase, PeerRecord
from bench.records.peer_store import MANY, NEIGHBOURS, installed_version
from bench.system import machine
from bench.system.clock import clock_of
from bench.timing import counters
from bench.timing.samples import measure_functions
from models.layers.conservative import ENERGY
from remul import POINT, SCALAR, VECTOR, Signature
from remul.fields import Fields

MOVING = {"charge": SCALAR, "position": POINT, "velocity": VECTOR}
STILL = {"charge": SCALAR, "position": POINT}
JOBS = {
    "vectors": Signature(MOVING, {"force": VECTOR}),
    "energy": Signature(STILL, {"energy": ENERGY}),
    "forces": Signature(STILL, {"energy": ENERGY, "force": VECTOR}),  # minus a gradient
}
MEASURED = ("force", "energy", "harmonics")  # the first of them is what a network is for
UNIT_OPTIONS = {"channels": 128, "layers": 4, "heads": 4}
MOST_ROUNDS, LEAST_ROUNDS, ROUNDS_S = 6, 3, 2.0
ATTEMPTS, PATIENCE_S = 2, 0.1  # all have been called before, so single calls are compared soon


def measure_peer(name: str, device: str, n: int, batch: int) -> PeerRecord:
    """Time one peer, ours of its kind with as many parameters, and the unit, on a batch of clouds.

    Whatever the package raises becomes the `reason`.
    """
    cells, reason = [], None
    peer = _load(name)
    try:
        cells = [_case(peer, n, batch, device)]
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return PeerRecord(
        peer=Path(name).stem,
        version=installed_version(name) or "",
        job=peer.JOB,
        differs=getattr(peer, "DIFFERS", ""),
        smaller=getattr(peer, "SMALLER", ""),
        source=plugins.source(name, "peers"),
        cells=cells,
        reason=reason,
        machine=MachineFacts(**machine.facts(device)),
    )


@cache
def _load(name: str) -> ModuleType:
    """Return the adapter, imported once."""
    return plugins.load("peers", name)


def _case(peer: ModuleType, n: int, batch: int, device: str) -> PeerCase:
    """Return timings of the three networks on a batch of clouds, turn by turn."""
    networks = _build(peer, NEIGHBOURS if n > MANY else None, device)
    inputs = _cloud(n, batch, device)
    functions = {
        (which, kind): function
        for which, network in networks.items()
        for kind, function in _functions(network, inputs)
    }
    flops = {which: counters.flops(functions[which, "inference"]) for which in networks}
    peaks = {which: counters.peak_bytes(functions[which, "training"]) for which in networks}
    clock = clock_of(device)
    round_s = sum(clock(function, 1) for function in functions.values())
    rounds = min(MOST_ROUNDS, max(LEAST_ROUNDS, round(ROUNDS_S / round_s)))
    attempts = ATTEMPTS if rounds > LEAST_ROUNDS else 1
    timings = measure_functions(functions, rounds, clock, attempts, PATIENCE_S)
    return PeerCase(
        n=n,
        batch=batch,
        model=peer.OURS["name"],
        parameters={which: counters.parameters(network) for which, network in networks.items()},
        timings={f"{which} {kind}": timing for (which, kind), timing in timings.items()},
        flops=flops,
        peak_bytes=peaks,
    )


@lru_cache(maxsize=1)
def _build(peer: ModuleType, neighbours: int | None, device: str) -> dict[str, nn.Module]:
    """Return the three networks; all sizes of a kind share them, as some take seconds to build."""
    torch.random.manual_seed(0)
    unit = build_network("transformer", JOBS["vectors"], **UNIT_OPTIONS)
    theirs = peer.build(neighbours)
    ours = build_ours(peer, neighbours, counters.parameters(theirs))
    networks = {"theirs": theirs, "ours": ours.float(), "unit": unit.float()}
    return {which: network.to(device) for which, network in networks.items()}


def build_ours(peer: ModuleType, neighbours: int | None, parameters: int) -> nn.Module:
    """Return ours of the kind of a peer, with so many parameters.

    A peer that is a kernel, not a network, has a `build_ours` instead.
    """
    if hasattr(peer, "build_ours"):
        return peer.build_ours(neighbours)
    name, options = peer.OURS["name"], dict(peer.OURS["kwargs"])
    if "neighbours" in plugins.options("models", name):
        options["neighbours"] = neighbours
    if peer.JOB == "forces":
        options["conservative"] = True
    return sizes.build_matched(name, JOBS[peer.JOB], parameters, **options)


def _cloud(n: int, batch: int, device: str) -> Fields:
    generator = torch.Generator().manual_seed(0)
    shapes = {"charge": 1, "position": 3, "velocity": 3}
    fields = {
        k: torch.randn(batch, n, dim, generator=generator, dtype=torch.float32)
        for k, dim in shapes.items()
    }
    return {name: x.to(device) for name, x in fields.items()}


def _functions(network: nn.Module, inputs: Fields) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield training (forward and backward) and inference of the field that the network is for."""

    def loss() -> Tensor:
        outputs = network(inputs)
        return next(outputs[name] for name in MEASURED if name in outputs).square().mean()

    def training() -> None:
        network.zero_grad(set_to_none=True)
        loss().backward()

    @torch.no_grad()  # some packages keep tensors between calls, which inference mode forbids
    def inference() -> None:
        network(inputs)

    yield "training", training
    yield "inference", inference

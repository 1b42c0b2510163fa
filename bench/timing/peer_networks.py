"""Our networks against other packages' of the same kind, at matched sizes, in one session each."""

from collections.abc import Callable, Iterator
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
UNIT_OPTIONS = {"channels": 128, "layers": 4, "heads": 4}
CLOUDS = ((5, 128), (20, 32), (100, 1), (300, 1), (1000, 1), (3000, 1))
LONGEST_MS = 5_000  # of a training step; sizes at which one would take longer are left out
ATTENDING = ("transformer", "gatr", "gatr_slim")  # all objects attend to all, whatever their number
PEER_ROUNDS, ROUNDS_OF_LARGE = 6, 3
LARGE = 1000  # objects


def measure_peer(name: str, device: str) -> PeerRecord:
    """Time one peer, ours of its kind with as many parameters, and the unit, on all clouds.

    Whatever the package raises becomes the `reason`; the sizes before it are kept.
    """
    cells, reason = [], None
    peer = plugins.load("peers", name)
    try:
        for n, batch in CLOUDS:
            if cells and _predict_ms(cells[-1], n * batch) > LONGEST_MS:
                break
            cells.append(_case(peer, n, batch, device))
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return PeerRecord(
        peer=name,
        version=installed_version(name) or "",
        job=peer.JOB,
        differs=getattr(peer, "DIFFERS", ""),
        cells=cells,
        reason=reason,
        machine=MachineFacts(**machine.facts(device)),
    )


def _case(peer: Any, n: int, batch: int, device: str) -> PeerCase:  # noqa: ANN401 - a module
    """Return timings of the three networks on a batch of clouds, turn by turn."""
    neighbours = NEIGHBOURS if n > MANY else None
    torch.random.manual_seed(0)
    name, ours = peer.OURS["name"], dict(peer.OURS["kwargs"])
    if name not in ATTENDING:
        ours["neighbours"] = neighbours
    if peer.JOB == "forces":
        ours["conservative"] = True
    unit = build_network("transformer", JOBS["vectors"], **UNIT_OPTIONS).float().to(device)
    theirs = peer.build(neighbours).to(device)
    wanted = counters.parameters(theirs)
    matched = sizes.build_matched(name, JOBS[peer.JOB], wanted, **ours).float().to(device)
    networks = {"theirs": theirs, "ours": matched, "unit": unit}
    inputs = _cloud(n, batch, device)
    functions = {
        (which, kind): function
        for which, network in networks.items()
        for kind, function in _functions(network, inputs)
    }
    rounds = ROUNDS_OF_LARGE if n >= LARGE else PEER_ROUNDS
    timings = measure_functions(functions, rounds, clock_of(device))
    return PeerCase(
        n=n,
        batch=batch,
        model=str(name),
        parameters={which: counters.parameters(network) for which, network in networks.items()},
        timings={f"{which} {kind}": timing for (which, kind), timing in timings.items()},
        flops={which: counters.flops(functions[which, "inference"]) for which in networks},
        peak_bytes={
            which: counters.peak_bytes(functions[which, "training"], device) for which in networks
        },
    )


def _predict_ms(case: PeerCase, objects: int) -> float:
    """Return how long the slowest training step would take on so many objects, at best."""
    slowest = max(case.timings[f"{which} training"].median_ms for which in ("theirs", "ours"))
    return slowest * objects / (case.n * case.batch)


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
        return outputs.get("force", outputs.get("energy")).square().mean()

    def training() -> None:
        network.zero_grad(set_to_none=True)
        loss().backward()

    @torch.no_grad()  # some packages keep tensors between calls, which inference mode forbids
    def inference() -> None:
        network(inputs)

    yield "training", training
    yield "inference", inference

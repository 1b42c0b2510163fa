"""A star and planets under gravity: predict where the bodies are 100 steps later."""

import torch
from torch import Generator, Tensor
from torch.nn.functional import mse_loss

from bench import Task
from bench.data.archive import Arrays
from bench.data.cache import cache_arrays
from bench.data.pathway_scores import pathway_scores
from remul import POINT, SCALAR, VECTOR, Batch, Fields, Signature, act, rotations_by_angle

VERSION = 1
SOURCE = {
    "kind": "generated",
    "from": "simulated here, with the rules of GATr (Brehmer et al. 2023) and REMUL",
    "terms": "none",
}
FARTHEST = 2.0  # samples in which a body moves farther are dropped
SIGNATURE = Signature({"mass": SCALAR, "position": POINT, "velocity": VECTOR}, {"position": POINT})


def load(
    seed: int,
    train: int = 100,
    val: int = 5000,
    test: int = 5000,
    ood: int = 5000,
    planets: int = 3,
    turn_deg: float = 10.0,
    ood_deg: tuple[float, float] = (90.0, 180.0),
) -> Task:
    """REMUL's Table 1: one star, `planets` planets in a plane, in units with G = 1.

    The plane is xy, turned by an angle uniform in [0, turn_deg] degrees about a random axis, in
    the split "ood" by one in `ood_deg`. Inputs are mass, position and velocity, the target is the
    position 0.1 time units later; fields are float32, (samples, planets + 1, dim). Data are made
    in float64 from the seed and cached. Simulator after GATr (Brehmer et al. 2023), with
    rotations as in REMUL. Raises `ValueError` for sizes below 1 and angles outside [0, 180].
    """
    sizes = {"train": train, "val": val, "test": test, "ood": ood}
    if min(*sizes.values(), planets) < 1:
        raise ValueError(f"sizes have to be at least 1, got {sizes}, planets={planets}")
    cones = dict.fromkeys(sizes, (0.0, turn_deg)) | {"ood": tuple(ood_deg)}
    options = {"seed": seed, "sizes": sizes, "planets": planets, "cones": cones}
    for low, high in cones.values():
        rotations_by_angle(low, high)
    known = {**options, "version": VERSION}
    parts = {"inputs": SIGNATURE.inputs, "targets": SIGNATURE.outputs}
    axes = {f"{split}/{part}/{key}": 3 for split in sizes for part in parts for key in parts[part]}
    arrays = cache_arrays("nbody_gravity", known, lambda: _make(**options), axes)
    splits = {name: _batch(arrays, name) for name in sizes}
    more = {"ood": splits.pop("ood")}
    scores = pathway_scores("exact", "free")
    return Task(SIGNATURE, **splits, distance=mse_loss, more=more, scores=scores)


def simulate(
    mass: Tensor, position: Tensor, velocity: Tensor, steps: int = 100, dt: float = 1e-3
) -> tuple[Tensor, Tensor]:
    """Position and velocity after `steps` symplectic Euler steps (v += dt a, then x += dt v).

    mass (batch, n, 1); position and velocity (batch, n, 3), for any n, in units with G = 1; the
    force is not softened. Results have the inputs' dtype.
    """
    for _ in range(steps):
        velocity = velocity + dt * _acceleration(mass, position)
        position = position + dt * velocity
    return position, velocity


def _acceleration(mass: Tensor, position: Tensor) -> Tensor:
    apart = position[:, None] - position[:, :, None]  # (batch, n, n, 3), from i to j
    squared = apart.square().sum(-1, keepdim=True)
    pull = torch.where(squared > 0, mass[:, None] * squared.rsqrt() / squared, 0)
    return (pull * apart).sum(2)


def _make(seed: int, sizes: dict, planets: int, cones: dict) -> Arrays:
    generator = Generator().manual_seed(seed)
    arrays = {}
    for name, size in sizes.items():
        batch = _sample(size, planets, generator)
        g = rotations_by_angle(*cones[name]).sample(batch.inputs, generator)
        inputs = act(g, batch.inputs, SIGNATURE.inputs)
        targets = act(g, batch.targets, SIGNATURE.outputs)
        arrays |= {f"{name}/inputs/{key}": x.numpy() for key, x in inputs.items()}
        arrays |= {f"{name}/targets/{key}": x.numpy() for key, x in targets.items()}
    return arrays


def _batch(arrays: Arrays, split: str) -> Batch:
    inputs, targets = (
        {name: torch.from_numpy(arrays[f"{split}/{side}/{name}"]).float() for name in types}
        for side, types in (("inputs", SIGNATURE.inputs), ("targets", SIGNATURE.outputs))
    )
    return Batch(inputs, targets)


def _sample(size: int, planets: int, generator: Generator) -> Batch:
    """`size` samples in the xy-plane, drawn until enough have no body that flies off."""
    kept: list[Batch] = []
    while sum(len(batch.inputs["mass"]) for batch in kept) < size:
        inputs = _initial(size, planets, generator)
        final, _ = simulate(**inputs)
        moved = (final - inputs["position"]).norm(dim=-1).amax(-1)
        kept.append(Batch(inputs, {"position": final})[moved <= FARTHEST])
    return Batch(
        {k: torch.cat([b.inputs[k] for b in kept])[:size] for k in SIGNATURE.inputs},
        {k: torch.cat([b.targets[k] for b in kept])[:size] for k in SIGNATURE.outputs},
    )


def _initial(size: int, planets: int, generator: Generator) -> Fields:
    """Planets on nearly circular orbits, either way round, about a star at rest; in any order."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=torch.float64).uniform_(low, high, generator=generator)

    star = 10 ** uniform(0, 1, size, 1, 1)
    mass = torch.cat([star, 10 ** uniform(-2, -1, size, planets, 1)], 1)
    radius = uniform(0.1, 1, size, planets, 1)
    angle = uniform(0, 2 * torch.pi, size, planets, 1)
    sense = 1 - 2 * torch.randint(2, (size, planets, 1), generator=generator)
    flat = torch.zeros_like(angle)
    outward = torch.cat([angle.cos(), angle.sin(), flat], -1)
    along = torch.cat([-angle.sin(), angle.cos(), flat], -1)
    speed = sense * (star / radius).sqrt()
    noise = 0.01 * torch.randn(size, planets, 3, dtype=torch.float64, generator=generator)
    centre = torch.zeros(size, 1, 3, dtype=torch.float64)
    fields = {
        "mass": mass,
        "position": torch.cat([centre, radius * outward], 1),
        "velocity": torch.cat([centre, speed * along + noise], 1),
    }
    order = uniform(0, 1, size, planets + 1, 1).argsort(1)
    return {name: x.gather(1, order.expand_as(x)) for name, x in fields.items()}

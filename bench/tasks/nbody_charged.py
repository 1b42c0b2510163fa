"""Charged bodies: predict where they are one time unit later."""

import torch
from torch import Generator, Tensor
from torch.nn.functional import mse_loss

from bench import Task
from bench.data.archive import Arrays
from bench.data.cache import cache_arrays
from bench.data.pathway_scores import pathway_scores
from bench.data.rigid_bars import Pairs, advance, list_joined, read_bars, settle
from remul import POINT, SCALAR, VECTOR, Batch, Fields, Rep, Signature

VERSION = 1
SOURCE = {
    "kind": "generated",
    "from": "simulated here, as in EGNN (Satorras et al. 2021) after NRI (Kipf et al. 2018)",
    "terms": "none",
}
DT, AFTER = 1e-3, 1000  # of a step, and steps from the input to the target
STRONGEST = 100.0  # each component of a body's electric force is clipped to this
FLOOR = -1.0  # where a wall begins to push
INPUTS, OUTPUTS = {"charge": SCALAR, "position": POINT, "velocity": VECTOR}, {"position": POINT}
JOINED = {"bar": Rep("0e", objects=2)}


def load(
    seed: int,
    train: int = 3000,
    val: int = 2000,
    test: int = 2000,
    bodies: int = 5,
    field: float = 0.0,
    wall: float = 0.0,
    before: float = 3.1,
    bars: Pairs = (),
) -> Task:
    """REMUL's Table 8, the protocol of EGNN: `bodies` unit masses of charge +1 or -1.

    They start at positions from N(0, 1) times (bodies / 5)^(1/3) with speed 0.5 in any direction.
    Inputs are charge, position and velocity `before` time units later, the target is the position
    one unit after that; fields are float32, (samples, bodies, dim). Made in float64 from the seed,
    cached.

    `field` and `wall` break the symmetry, E(3) at 0, by accelerations along z (see `simulate`):
    with a field, rotations about z, mirrors that hold z and translations remain; with a wall,
    those along x and y alone. Velocities tell of a field that has acted `before`; at 0 the inputs
    are as symmetric as without it.

    Pairs of bodies in `bars` keep the distance at which they start, as in GMN (Huang et al. 2022):
    a stick is one bar, a hinge two that share a body. Then `bar` is an input of pairs, 1 where one
    is. Raises `ValueError` for sizes below 1, one body, a negative wall or time, and bars that are
    no pairs or close a ring.
    """
    sizes = {"train": train, "val": val, "test": test}
    if min(sizes.values()) < 1 or bodies < 2 or wall < 0 or before < 0:
        raise ValueError(
            "sizes have to be at least 1, bodies 2, the wall and the time before 0, "
            f"got {sizes}, bodies={bodies}, wall={wall}, before={before}"
        )
    options = {"seed": seed, "size": sum(sizes.values()), "bodies": bodies}
    options |= {"field": float(field), "wall": float(wall), "before": float(before)}
    options |= {"bars": bars}
    joined = list_joined(read_bars(bars, bodies)).float()
    known = {**options, "version": VERSION}
    axes = dict.fromkeys(("charge", "position", "velocity", "target"), 3)
    arrays = cache_arrays("nbody_charged", known, lambda: _make(**options), axes)
    fields = {name: torch.from_numpy(x).float() for name, x in arrays.items()}
    target = {"position": fields.pop("target")}
    if bars:
        fields["bar"] = joined.expand(len(target["position"]), -1, -1, -1)
    order = torch.arange(len(target["position"])).split([*sizes.values()])
    splits = {name: Batch(fields, target)[i] for name, i in zip(sizes, order, strict=True)}
    scores = pathway_scores("exact", "free")
    signature = Signature(INPUTS | (JOINED if bars else {}), OUTPUTS)
    return Task(signature, **splits, distance=mse_loss, scores=scores)


def simulate(
    charge: Tensor,
    position: Tensor,
    velocity: Tensor,
    steps: int,
    dt: float = DT,
    field: float = 0.0,
    wall: float = 0.0,
    bars: Pairs = (),
) -> tuple[Tensor, Tensor]:
    """Position and velocity after `steps` symplectic Euler steps (v += dt a, then x += dt v).

    charge (batch, n, 1); position and velocity (batch, n, 3), for any n. The electric force,
    sum_j q_i q_j (x_i - x_j) / |x_i - x_j|^3, is not softened; its components are clipped to
    +-100. To it come the uniform acceleration `field` along z and a wall, `wall` times the depth
    below z = -1. Tensions hold the lengths of `bars` in each step; of the velocities at both ends
    what stretches bars is taken out. Results have the inputs' dtype.
    """
    n = charge.shape[1]
    rigid = read_bars(bars, n).to(position)
    i, j = torch.triu_indices(n, n, 1, device=charge.device)
    ends = torch.eye(n, dtype=position.dtype, device=position.device)
    ends = ends[i] - ends[j]  # (pairs, n): 1 at i, -1 at j
    charge = charge.permute(2, 1, 0)  # the samples go last: long, contiguous rows
    product = charge[0, i] * charge[0, j]  # (pairs, batch)
    x, v = (a.permute(2, 1, 0).contiguous() for a in (position, velocity))  # (3, n, batch)
    v = settle(rigid, x, v)
    up = x.new_tensor([0, 0, 1]).view(3, 1, 1)
    for _ in range(steps):
        force = _electric(product, ends, x).clamp(-STRONGEST, STRONGEST)
        if field or wall:
            force = force + up * (field + wall * (FLOOR - x[2]).clamp_min(0))
        x, v = advance(rigid, x, v + dt * force, dt)
    v = settle(rigid, x, v)
    return x.permute(2, 1, 0).contiguous(), v.permute(2, 1, 0).contiguous()


def _electric(product: Tensor, ends: Tensor, x: Tensor) -> Tensor:
    apart = ends @ x  # (3, pairs, batch)
    squared = apart.square().sum(0)
    push = torch.where(squared > 0, product * squared.rsqrt() / squared, 0)
    return ends.T @ (push * apart)  # (3, n, batch)


def _make(
    seed: int, size: int, bodies: int, field: float, wall: float, before: float, bars: Pairs
) -> Arrays:
    start = _initial(size, bodies, Generator().manual_seed(seed))
    charge, outside = start["charge"], {"field": field, "wall": wall, "bars": bars}
    position, velocity = simulate(**start, steps=round(before / DT), **outside)
    target, _ = simulate(charge, position, velocity, AFTER, **outside)
    made = {"charge": charge, "position": position, "velocity": velocity, "target": target}
    return {name: x.numpy() for name, x in made.items()}


def _initial(size: int, bodies: int, generator: Generator) -> Fields:
    def normal() -> Tensor:
        return torch.randn(size, bodies, 3, dtype=torch.float64, generator=generator)

    position, direction = (bodies / 5) ** (1 / 3) * normal(), normal()
    charge = 1 - 2 * torch.randint(2, (size, bodies, 1), generator=generator).double()
    velocity = 0.5 * direction / direction.norm(dim=-1, keepdim=True)
    return {"charge": charge, "position": position, "velocity": velocity}

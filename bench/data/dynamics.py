"""Dynamics at constant energy with a trained network: by how much its total energy changes."""

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Generator, Tensor

from bench.data.molecules import ELEMENTS
from bench.data.xtb_md import ACCELERATION, BOLTZMANN, DT, MASSES
from remul import Fields, Model

KELVIN = 300.0  # of the velocities to begin with
TIMES = 100  # at which a curve has a value


def energy_drift(model: Model, inputs: Fields, picoseconds: float) -> Mapping[str, list[float]]:
    """Return how far total energies are from the first ones, mean of the size in kcal/mol/atom.

    Velocity Verlet, steps of 0.5 fs, from these frames with velocities drawn at 300 K. The curve
    ends where a trajectory does, at a number that is not finite.
    """
    steps = max(1, round(1000 * picoseconds / DT / TIMES))
    energies = [next(frames := simulate(model, inputs))]
    for step, energy in zip(range(1, steps * TIMES + 1), frames, strict=False):
        if step % steps == 0:
            energies.append(energy)
    drift = [float((energy - energies[0]).abs().mean()) for energy in energies]
    count = next((i for i, value in enumerate(drift) if not math.isfinite(value)), len(drift))
    times = [i * steps * DT / 1000 for i in range(count)]
    return {"picoseconds": times, "energy_drift": drift[:count]}


def simulate(model: Model, inputs: Fields) -> Iterator[Tensor]:
    """Yield the total energy of each molecule per atom, (batch, 1), at once and after each step."""
    mass = _masses(inputs["element"])
    x, v = inputs["position"].double(), _draw_velocities(mass)
    energy, force = _evaluate(model, inputs, x)
    while True:
        kinetic = (mass * v.square()).sum((1, 2)).unsqueeze(-1) / 2 / ACCELERATION
        yield (energy + kinetic) / x.shape[1]
        v = v + 0.5 * DT * ACCELERATION * force / mass
        x = x + DT * v
        energy, force = _evaluate(model, inputs, x)
        v = v + 0.5 * DT * ACCELERATION * force / mass


def _evaluate(model: Model, inputs: Fields, x: Tensor) -> tuple[Tensor, Tensor]:
    outputs = model(inputs | {"position": x.to(inputs["position"])})
    return outputs["energy"].double(), outputs["force"].double()


def _masses(element: Tensor) -> Tensor:
    """Return the masses of elements that are one-hot, (batch, n, 1)."""
    masses = [MASSES[number] for number in ELEMENTS]
    return element.double() @ element.new_tensor(masses, dtype=torch.float64).unsqueeze(-1)


def _draw_velocities(mass: Tensor) -> Tensor:
    """Return velocities at 300 K in Å/fs, (batch, n, 3), of molecules that do not drift."""
    draws = torch.randn(*mass.shape[:2], 3, generator=Generator().manual_seed(0), dtype=mass.dtype)
    v = (BOLTZMANN * KELVIN * ACCELERATION / mass).sqrt() * draws.to(mass)
    return v - (mass * v).sum(1, keepdim=True) / mass.sum(1, keepdim=True)

"""Dynamics at constant energy with a trained network: by how much its total energy changes."""

from collections.abc import Iterator, Mapping
from itertools import islice

import torch
from torch import Generator, Tensor

from bench.data.molecules import ELEMENTS
from bench.data.xtb_md import ACCELERATION, BOLTZMANN, DT, MASSES
from remul import Fields, Model

KELVIN = 300.0  # of the velocities to begin with
TIMES = 100  # at which a curve has a value
APART = 100.0  # kcal/mol/atom


def check_length(picoseconds: float) -> None:
    """Raise `ValueError` for a length that is no multiple of what a curve's values are apart."""
    apart = TIMES * DT / 1000
    if picoseconds < 0 or abs(picoseconds / apart - round(picoseconds / apart)) > 1e-6:
        raise ValueError(f"dynamics last multiples of {apart:g} ps, got {picoseconds:g}")


def energy_drift(model: Model, inputs: Fields, picoseconds: float) -> Mapping[str, list[float]]:
    """Return how far total energies are from the first ones, mean of the size in kcal/mol/atom.

    Velocity Verlet, steps of 0.5 fs, from these frames with velocities drawn at 300 K. The curve
    ends before molecules fly apart: at 100 kcal/mol/atom no bond holds.
    """
    stride = max(1, round(1000 * picoseconds / DT / TIMES))
    frames = islice(simulate(model, inputs), 0, stride * TIMES + 1, stride)
    curve = {"picoseconds": [0.0], "energy_drift": [0.0]}
    first = next(frames)
    for count, energy in enumerate(frames, 1):
        drift = float((energy - first).abs().mean())
        if not drift < APART:  # nor where it is no number
            break
        curve["picoseconds"].append(count * stride * DT / 1000)
        curve["energy_drift"].append(drift)
    return curve


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

"""GFN2-xTB molecular dynamics of small molecules, in Å, fs, amu, kcal/mol and kelvin."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import ModuleType

import numpy as np
from numpy.random import Generator, default_rng

from bench.data.archive import Arrays
from bench.data.cache import cache_arrays

NAME, VERSION = "md_gfn2", 1
SMILES = {
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "benzene": "c1ccccc1",
    "ethanol": "CCO",
    "malonaldehyde": "O=CCC=O",
    "naphthalene": "c1ccc2ccccc2c1",
    "salicylic": "O=C(O)c1ccccc1O",
    "toluene": "Cc1ccccc1",
    "uracil": "O=c1cc[nH]c(=O)[nH]1",
}
MASSES = {1: 1.008, 6: 12.011, 7: 14.007, 8: 15.999}
BOLTZMANN = 0.001987204259  # kcal/mol/K
HARTREE, BOHR = 627.5094740631, 0.529177210903  # in kcal/mol and Å
ACCELERATION = 4.184e-4  # Å/fs² of 1 kcal/mol/Å on 1 amu
KELVIN, DT = 500.0, 0.5
SETTLING, FRICTION = 2000, 0.02  # steps with a thermostat, and its 1/fs
EQUILIBRATION_ROUNDS = 4  # of one block each, at constant energy, before the first frame
BLOCK = 1000  # frames in a file
AXES = {"z": 1, "R": 3, "V": 3, "E": 1, "F": 3}  # of the arrays in it
Surface = Callable[[np.ndarray], tuple[float, np.ndarray]]  # positions to energy and force
Kick = Callable[[np.ndarray], np.ndarray]
Progress = Callable[[float, float], None]


@dataclass(frozen=True)
class State:
    """A moment of a molecule: positions, velocities in Å/fs and force (atoms, 3), energy."""

    position: np.ndarray
    velocity: np.ndarray
    energy: float
    force: np.ndarray


def load_trajectory(molecule: str, frames: int, seed: int, progress: Progress) -> Arrays:
    """Return numbers z (atoms,), positions R, velocities V, forces F (frames, atoms, 3), energy E.

    Frames are 0.5 fs apart at constant energy, near 500 K; the molecule turns as a whole but does
    not drift. They are made and kept block by block: what was interrupted continues.
    """
    if molecule not in SMILES:
        raise ValueError(f"no molecule {molecule!r}; there are {', '.join(SMILES)}")
    options = {"molecule": molecule, "seed": seed, "version": VERSION}
    count = -(-frames // BLOCK)
    first = options | {"block": 0}
    blocks = [cache_arrays(NAME, first, lambda: _equilibrate(molecule, seed), AXES)]

    def advance(index: int) -> Arrays:
        block = _continue(blocks[-1])
        progress(index, count)
        return block

    for index in range(1, count + 1):
        blocks.append(cache_arrays(NAME, options | {"block": index}, partial(advance, index), AXES))
    joined = {key: np.concatenate([block[key] for block in blocks[1:]])[:frames] for key in "RVEF"}
    return {"z": blocks[0]["z"], **joined}


def make_conformer(molecule: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return atomic numbers (atoms,), heavy ones first, a relaxed conformer (atoms, 3) in Å."""
    chem, embed = _import_extra("rdkit.Chem"), _import_extra("rdkit.Chem.AllChem")
    mol = chem.AddHs(chem.MolFromSmiles(SMILES[molecule]))
    embed.EmbedMolecule(mol, randomSeed=seed + 1)
    embed.MMFFOptimizeMolecule(mol)
    numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    return np.array(numbers), mol.GetConformer().GetPositions()


def gfn2(numbers: np.ndarray) -> Surface:
    """Return the potential of GFN2-xTB (Bannwarth et al. 2019), begun from its last density."""
    library, calculator, result = _import_extra("tblite.interface"), None, None

    def surface(position: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal calculator, result
        if calculator is None:
            calculator = library.Calculator("GFN2-xTB", numbers, position / BOHR)
            calculator.set("verbosity", 0)
            calculator.set("accuracy", 0.1)  # at the default, energy drains away
        calculator.update(position / BOHR)
        result = calculator.singlepoint(result)
        return result.get("energy") * HARTREE, result.get("gradient") * (-HARTREE / BOHR)

    return surface


def step(state: State, masses: np.ndarray, surface: Surface, bath: Kick | None = None) -> State:
    """Take a step of velocity Verlet; with a bath for the velocities half-way, one of Langevin."""
    half = 0.5 * DT * ACCELERATION / masses
    velocity = state.velocity + half * state.force
    position = state.position + 0.5 * DT * velocity
    velocity = velocity if bath is None else bath(velocity)
    position = position + 0.5 * DT * velocity
    energy, force = surface(position)
    return State(position, velocity + half * force, energy, force)


def temperature(frames: Arrays) -> np.ndarray:
    """Return the kelvin of each frame, (frames,), of a molecule that does not drift."""
    return 2 * _kinetic(frames) / (_freedom(frames) * BOLTZMANN)


def drift(frames: Arrays) -> float:
    """Return how fast the total energy grows, in kcal/mol/ps, by least squares."""
    picoseconds = np.arange(len(frames["E"])) * DT / 1000
    return float(np.polyfit(picoseconds, frames["E"] + _kinetic(frames), 1)[0])


def describe(frames: Arrays) -> str:
    """Return mean temperature and energy drift, in words."""
    kelvin = temperature(frames).mean()
    return f"{kelvin:.0f} K, energy drift {drift(frames):+.4f} kcal/mol/ps"


def _equilibrate(molecule: str, seed: int) -> Arrays:
    """Return a moment to start from: Langevin dynamics, then rounds at an energy that is corrected.

    In so small a molecule the thermostat's last energy may belong to a far other temperature.
    """
    numbers, position = make_conformer(molecule, seed)
    masses, surface, generator = _masses(numbers), gfn2(numbers), default_rng(seed)
    keep = np.exp(-FRICTION * DT)

    def bath(velocity: np.ndarray) -> np.ndarray:
        return keep * velocity + (1 - keep**2) ** 0.5 * _draw_velocities(masses, generator)

    state = State(position, _draw_velocities(masses, generator), *surface(position))
    for _ in range(SETTLING):
        state = step(state, masses, surface, bath)
    frames = _arrays(numbers, [_centre(state, masses)])
    for _ in range(EQUILIBRATION_ROUNDS):
        frames = _correct_energy(_continue(frames))
    return frames


def _correct_energy(frames: Arrays) -> Arrays:
    """Return the last frame, its velocities scaled by what the mean temperature lacks.

    Of the energy that is put in, half becomes potential, as in harmonic vibrations.
    """
    kinetic = _kinetic(frames)
    lacking = _freedom(frames) * BOLTZMANN * KELVIN - 2 * kinetic.mean()
    scale = max(1 + lacking / kinetic[-1], 0.25) ** 0.5
    last = {key: frames[key][-1:] for key in "RVEF"}
    return last | {"z": frames["z"], "V": scale * last["V"]}


def _continue(frames: Arrays) -> Arrays:
    """Return the next frames at constant energy."""
    masses, surface = _masses(frames["z"]), gfn2(frames["z"])
    state, states = State(*(frames[key][-1] for key in "RVEF")), []
    for _ in range(BLOCK):
        state = step(state, masses, surface)
        states.append(state)
    return _arrays(frames["z"], states)


def _arrays(numbers: np.ndarray, states: list[State]) -> Arrays:
    return {
        "z": numbers,
        "R": np.array([state.position for state in states]),
        "V": np.array([state.velocity for state in states]),
        "E": np.array([state.energy for state in states]),
        "F": np.array([state.force for state in states]),
    }


def _draw_velocities(masses: np.ndarray, generator: Generator) -> np.ndarray:
    spread = (BOLTZMANN * KELVIN * ACCELERATION / masses) ** 0.5
    return spread * generator.standard_normal((len(masses), 3))


def _centre(state: State, masses: np.ndarray) -> State:
    """Return the state with its centre of mass at rest in the origin."""
    position, velocity = (
        x - (masses * x).sum(0) / masses.sum() for x in (state.position, state.velocity)
    )
    return State(position, velocity, state.energy, state.force)


def _kinetic(frames: Arrays) -> np.ndarray:
    """Return the kinetic energy of each frame in kcal/mol, (frames,)."""
    return 0.5 * (_masses(frames["z"]) * frames["V"] ** 2).sum((-1, -2)) / ACCELERATION


def _freedom(frames: Arrays) -> int:
    return 3 * len(frames["z"]) - 3


def _masses(numbers: np.ndarray) -> np.ndarray:
    return np.array([[MASSES[z]] for z in numbers])


def _import_extra(name: str) -> ModuleType:
    """Return a library of the extra `xtb`, on one thread: two are ten times slower here."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        return import_module(name)
    except ImportError:
        raise ValueError(
            f"{NAME} needs {name.partition('.')[0]}: pip install 'remul[xtb]'"
        ) from None

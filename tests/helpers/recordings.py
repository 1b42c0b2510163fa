"""Made-up recordings in the formats of the real ones, and dynamics that take no time."""

import numpy as np

from bench.core import plugins
from bench.data import xtb_md

SKELETON = """
# made by hand
:version 1.10
:root
   order TX TY TZ RX RY RZ
   axis XYZ
:bonedata
  begin
     id 1
     name arm
     direction 0 1 0
     length 2
     axis 0 0 0 XYZ
    dof rx rz
    limits (-160.0 20.0)
           (-70.0 70.0)
  end
  begin
     id 2
     name Hand
     direction 1 0 0
     length 1
     axis 0 0 90 XYZ
    dof rx
  end
  begin
     id 3
     name tail
     direction 0 0 -1
     length 1
     axis 0 0 0 XYZ
  end
:hierarchy
  begin
    root arm tail
    arm Hand
  end
"""
MOTION = """
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 0 0
arm 0 0
Hand 0
2
root 0 0 0 0 0 90
arm 0 0
Hand 0
3
root 0 0 0 0 0 0
arm 0 90
Hand 0
4
root 0 0 0 0 0 0
arm 0 0
Hand 90
"""


def write(folder):
    """Files that the tasks of recorded data take for their own, given the folder as `source`."""
    for person in plugins.load("tasks", "mocap").SUBJECTS.values():
        trials = [walk(frames, 31) for frames in person.frames]
        for trial, first in zip(trials, person.first, strict=True):
            trial[:, 0, 0] += first - trial[0, 0, 0]
        edges = [(joint, joint - 1) for joint in range(1, 31)]
        arrays = {"X": np.concatenate(trials), "lengths": person.frames, "edges": edges}
        np.savez(folder / person.prepared, **arrays)
    write_molecule(folder)


def write_molecule(folder):
    """A trajectory that passes for aspirin's."""
    np.savez(folder / "md17_aspirin.npz", **molecule())


def molecule(frames=20_500):
    """A trajectory as MD17 has it: a chain of three heavy atoms 1.4 Å apart, and a hydrogen."""
    positions = walk(frames, 4) * 1e-3 + 1.4 * np.eye(4, 3, k=-1).cumsum(0)
    return {
        "R": positions,
        "z": np.array([6, 7, 8, 1]),
        "E": positions.sum((1, 2))[:, None],
        "F": -positions,
    }


def walk(frames, objects):
    """Objects that wander at random, (frames, objects, 3)."""
    return np.random.default_rng(frames).normal(size=(frames, objects, 3)).cumsum(0)


def springs(numbers):
    """In place of `xtb_md.gfn2`: every atom on a spring to the origin."""
    return lambda position: (5.0 * (position**2).sum(), -10.0 * position)


def make_conformer(molecule, seed):
    """Of four atoms, or five of benzene."""
    n = 5 if molecule == "benzene" else 4
    return np.array([6, 6, 8, 1, 1])[:n], walk(4, n)[seed]


def quicken(patch):
    """Has `xtb_md` simulate springs, in short blocks, from any start."""
    for name, value in {
        "SETTLING": 2,
        "EQUILIBRATION_ROUNDS": 1,
        "BLOCK": 100,
        "gfn2": springs,
        "make_conformer": make_conformer,
    }.items():
        patch.setattr(xtb_md, name, value)

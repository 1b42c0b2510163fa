"""Acclaim motion capture: skeletons (.asf), their motions (.amc), and where the joints are."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = "root"
ANGLES = ("rx", "ry", "rz")
LARGEST = 1e9  # of a number, in degrees or any unit of length
ROOT_ORDER = ["tx", "ty", "tz", "rx", "ry", "rz"]


@dataclass(frozen=True)
class Skeleton:
    """Joints in the order of their file, the root first.

    `parent` is the index of each joint's parent, -1 for the root; `bone` the vector that leads to
    the joint from there in the pose of rest, (joints, 3); `frame` the rotation of its own axes,
    (joints, 3, 3); `freedom` which of the three angles its motions list.
    """

    names: tuple[str, ...]
    parent: tuple[int, ...]
    bone: np.ndarray
    frame: np.ndarray
    freedom: tuple[tuple[str, ...], ...]

    @property
    def edges(self) -> list[tuple[int, int]]:
        """The joints that a bone connects, as (child, parent)."""
        return [(joint, parent) for joint, parent in enumerate(self.parent) if parent >= 0]


def read_skeleton(file: Path) -> Skeleton:
    """Return the skeleton in an .asf file, in its units. Raises `ValueError`, naming the file."""
    try:
        sections = _sections(file.read_text("ascii"))
        bones = [dict(_split_lines(block)) for block in _blocks(sections["bonedata"])]
        (hierarchy,) = _blocks(sections["hierarchy"])
        if dict(_split_lines(sections["root"]))["order"] != ROOT_ORDER:
            raise ValueError(f"root angles have to come in the order {' '.join(ROOT_ORDER)}")
        parent = {child: line[0] for line in map(str.split, hierarchy) for child in line[1:]}
        names = (ROOT, *(bone["name"][0] for bone in bones))
        parents = [names.index(parent[name]) for name in names[1:]]
        if any(index > joint for joint, index in enumerate(parents)):
            raise ValueError("a joint comes before the one that it hangs on")
        return Skeleton(
            names,
            (-1, *parents),
            np.array([[0.0, 0.0, 0.0], *map(_vector, bones)]),
            np.stack([np.eye(3), *(rotations(_floats(bone["axis"][:3])) for bone in bones)]),
            (ANGLES, *(tuple(bone.get("dof", ())) for bone in bones)),
        )
    except (KeyError, ValueError, IndexError) as error:
        raise ValueError(f"{file}: not a skeleton in ASF: {error}") from None


def read_motion(file: Path, skeleton: Skeleton) -> np.ndarray:
    """Return joint positions (frames, joints, 3) of an .amc file, in the units of its skeleton.

    Raises `ValueError`, naming the file, if it is torn or belongs to another skeleton.
    """
    try:
        rows = _rows(file.read_text("ascii"))
        root = _columns(rows, ROOT, len(ROOT_ORDER))
        angles = np.zeros((len(root), len(skeleton.names), 3))
        angles[:, 0] = root[:, 3:]
        for joint, freedom in enumerate(skeleton.freedom[1:], 1):
            if freedom:
                values = _columns(rows, skeleton.names[joint], len(freedom))
                angles[:, joint, [ANGLES.index(angle) for angle in freedom]] = values
    except (KeyError, ValueError, IndexError) as error:
        raise ValueError(f"{file}: not a motion of this skeleton in AMC: {error}") from None
    return forward_kinematics(skeleton, root[:, :3], angles)


def forward_kinematics(skeleton: Skeleton, position: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return joint positions from those of the root (frames, 3) and angles (frames, joints, 3).

    Angles are in degrees. The rotation of a joint is its parent's times C L C^T, C that of its axes
    and L = Rz Ry Rx that of its angles; it carries the bone that leads to the joint. Returns
    (frames, joints, 3).
    """
    local = skeleton.frame @ rotations(angles) @ skeleton.frame.swapaxes(-1, -2)
    turned, placed = [local[:, 0]], [position]
    for joint, parent in skeleton.edges:
        turned.append(turned[parent] @ local[:, joint])
        placed.append(placed[parent] + turned[joint] @ skeleton.bone[joint])
    return np.stack(placed, 1)


def rotations(angles: np.ndarray) -> np.ndarray:
    """Return Rz Ry Rx of angles (..., 3) about x, y and z in degrees: (..., 3, 3)."""
    x, y, z = np.moveaxis(np.radians(angles), -1, 0)
    return _about(z, 0, 1) @ _about(y, 2, 0) @ _about(x, 1, 2)


def _about(angle: np.ndarray, first: int, second: int) -> np.ndarray:
    """Return rotations in the plane of two axes, from the first towards the second."""
    matrix = np.zeros((*angle.shape, 3, 3)) + np.eye(3)
    matrix[..., first, first] = matrix[..., second, second] = np.cos(angle)
    matrix[..., second, first] = np.sin(angle)
    matrix[..., first, second] = -np.sin(angle)
    return matrix


def _sections(text: str) -> dict[str, list[str]]:
    """Return the lines below each `:keyword`."""
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith(":"):
            lines = sections.setdefault(line.split()[0][1:], [])
        elif not line.startswith("#"):
            lines.append(line)
    return sections


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Yield the lines between each `begin` and its `end`."""
    ends = [index for index, line in enumerate(lines) if line == "end"]
    if len(ends) != lines.count("begin") or not ends:
        raise ValueError("a begin without an end")
    for end in ends:
        start = max(index for index in range(end) if lines[index] == "begin")
        yield lines[start + 1 : end]


def _split_lines(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the first word of each line, and the words after it in lower case but for names."""
    for line in lines:
        key, *words = line.split()
        yield key, words if key == "name" else [word.lower() for word in words]


def _vector(bone: dict[str, list[str]]) -> np.ndarray:
    return float(bone["length"][0]) * _floats(bone["direction"])


def _floats(words: list[str] | list[list[str]]) -> np.ndarray:
    numbers = np.array(words, dtype=np.float64)
    if not (np.abs(numbers) <= LARGEST).all():
        raise ValueError(f"numbers beyond {LARGEST:g}, or none")
    return numbers


def _rows(text: str) -> dict[str, list[list[str]]]:
    """Return the values of each joint, frame by frame; frames begin with a number."""
    rows: dict[str, list[list[str]]] = {}
    lines = (line.split() for line in text.splitlines() if not line.startswith(("#", ":")))
    for name, *values in filter(None, lines):
        if values:
            rows.setdefault(name, []).append(values)
    return rows


def _columns(rows: dict[str, list[list[str]]], name: str, width: int) -> np.ndarray:
    if name not in rows:
        raise ValueError(f"joint {name!r} is missing")
    if len(rows[name]) != len(rows[ROOT]) or {len(row) for row in rows[name]} != {width}:
        raise ValueError(
            f"joint {name!r} needs {width} numbers in each of {len(rows[ROOT])} frames"
        )
    return _floats(rows[name])

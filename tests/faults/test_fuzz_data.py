"""Damaged data files: a line that names the file, or arrays that are whole and finite."""

import io

import numpy as np
import pytest
import recordings
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import flipped

from bench.data import md17
from bench.data.archive import read_npz
from bench.data.asf_amc import read_motion, read_skeleton
from bench.tasks import mocap

pytestmark = pytest.mark.system
EXAMPLES = {
    "npz": (40, 800),
    "md17": (20, 300),
    "mocap": (10, 200),
    "asf": (30, 400),
    "amc": (30, 400),
}
WORDS = [
    "inf",
    "nan",
    "-1e400",
    "1e308",
    "x",
    "",
    "0",
    "-1",
    "1e9",
    "begin",
    "end",
    "root",
    "::",
    "\x1b",
]


def examples(kind, long):
    return settings(max_examples=EXAMPLES[kind][long])


def packed(save=np.savez, **arrays):
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


ODD_ARRAYS = [
    np.zeros(0), np.zeros((2, 0, 3)), np.float64(1), np.array("x"), np.array([b"x"]),
    np.ones(3) * 1j,
    np.array([None]), np.full((4, 3, 3), np.nan), np.full((4, 3, 3), np.inf), np.ones((4, 3, 3)),
    np.ones((4, 3, 3), int), np.ones(3, bool), np.arange(3), np.array([4]), np.array([[0, 1]]),
    np.array([-1, 5]), np.array([[0, 9]]), np.ones(4), np.array([2**63], np.uint64), np.ones((4,
    1)),
    np.zeros(2, "M8[s]"), np.zeros(2, [("a", "f4")]), np.ones((4, 3, 3), ">f4"), np.ones((4, 3, 4)),
]  # fmt: skip


def test_damaged_archives_are_named(tmp_path, tally, long):
    whole = {"x": np.arange(6.0).reshape(2, 3), "n": np.arange(3)}
    contents = [packed(save, **whole) for save in (np.savez, np.savez_compressed)]
    file = tmp_path / "a.npz"

    @examples("npz", long)
    @given(content=st.sampled_from(contents).flatmap(flipped))
    def damaged(content):
        file.write_bytes(content)
        arrays = tally.call("npz", lambda: read_npz(file, {"x": 2, "n": 1}), ValueError)
        if isinstance(arrays, ValueError):
            assert "a.npz" in str(arrays)
        else:
            assert all(np.array_equal(arrays[name], whole[name]) for name in whole)

    damaged()


def test_odd_arrays_of_a_molecule_are_named(tmp_path, tally, long):
    file = tmp_path / "md17_ethanol.npz"
    sound = {
        "R": np.ones((4, 3, 3)),
        "z": np.array([6, 1, 8]),
        "E": np.ones(4),
        "F": np.ones((4, 3, 3)),
    }

    @examples("md17", long)
    @given(changes=st.dictionaries(st.sampled_from("RzEFq"), st.sampled_from([*ODD_ARRAYS, None])))
    def odd(changes):
        file.write_bytes(packed(**{k: v for k, v in (sound | changes).items() if v is not None}))
        arrays = tally.call("md17", lambda: md17.read("ethanol", str(tmp_path)), ValueError)
        if isinstance(arrays, ValueError):
            assert "md17_ethanol.npz" in str(arrays)
        else:
            assert all(np.isfinite(arrays[key]).all() for key in "RzEF")

    odd()


def test_odd_arrays_of_a_recording_are_named(tmp_path, tally, long):
    person = mocap.SUBJECTS["walk"]
    file = tmp_path / person.prepared
    sound = {"X": np.ones((4, 3, 3)), "lengths": np.array([4]), "edges": np.array([[0, 1]])}

    @examples("mocap", long)
    @given(changes=st.dictionaries(st.sampled_from([*sound]), st.sampled_from(ODD_ARRAYS)))
    def odd(changes):
        file.write_bytes(packed(**(sound | changes)))
        read = lambda: mocap.load(0, source=str(tmp_path))  # noqa: E731 - a function to call
        assert isinstance(tally.call("mocap", read, ValueError), ValueError)

    odd()


@st.composite
def damaged_text(draw, text):
    """A text with a word replaced or lines exchanged, or with other bytes."""
    if draw(st.booleans()):
        return draw(flipped(text.encode()))
    lines = [line.split(" ") for line in text.splitlines()]
    for _ in range(draw(st.integers(1, 3))):
        line = draw(st.integers(0, len(lines) - 1))
        how = draw(st.sampled_from(["word", "gone", "twice", "moved"]))
        if how == "word":
            lines[line][draw(st.integers(0, len(lines[line]) - 1))] = draw(st.sampled_from(WORDS))
        elif how == "gone" and len(lines) > 1:
            del lines[line]
        elif how == "twice":
            lines.insert(line, lines[line][:])
        else:
            lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(line))
    return "\n".join(map(" ".join, lines)).encode()


@pytest.mark.parametrize("kind", ["asf", "amc"])
def test_damaged_recordings_are_named_or_finite(kind, tmp_path, tally, long):
    texts = {"asf": recordings.SKELETON, "amc": recordings.MOTION}
    for name, text in texts.items():
        (tmp_path / f"a.{name}").write_text(text)

    def read():
        return read_motion(tmp_path / "a.amc", read_skeleton(tmp_path / "a.asf"))

    @examples(kind, long)
    @given(content=damaged_text(texts[kind]))
    def damaged(content):
        (tmp_path / f"a.{kind}").write_bytes(content)
        motion = tally.call(kind, read, ValueError)
        if isinstance(motion, ValueError):
            assert str(tmp_path) in str(motion)
        else:
            assert np.isfinite(motion).all()

    damaged()

"""Motion capture: the reader of ASF and AMC, the published split, and the task."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import recordings
from numpy.random import default_rng
from numpy.testing import assert_allclose

from bench.cli import main
from bench.core import plugins
from bench.data.archive import read_npz
from bench.data.asf_amc import forward_kinematics, read_motion, read_skeleton, rotations
from bench.system.checkout import ROOT

MOCAP = plugins.load("tasks", "mocap")
DATA = ROOT.parent / "shared" / "data" / "cmu_mocap"
real = pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the recordings in {DATA}")
both = pytest.mark.parametrize("subject", ["walk", "run"])

SKELETON, MOTION = recordings.SKELETON, recordings.MOTION
POSES = {  # root, arm, hand, tail
    "rest": [[1, 2, 3], [1, 4, 3], [2, 4, 3], [1, 2, 2]],
    "root about z": [[0, 0, 0], [-2, 0, 0], [-2, 1, 0], [0, 0, -1]],
    "arm about z": [[0, 0, 0], [-2, 0, 0], [-2, 1, 0], [0, 0, -1]],
    "hand about its own x": [[0, 0, 0], [0, 2, 0], [0, 2, -1], [0, 0, -1]],
}


def written(folder, name, text):
    (folder / name).write_text(text, newline="\r\n")
    return folder / name


@pytest.fixture
def skeleton(tmp_path):
    return read_skeleton(written(tmp_path, "a.asf", SKELETON))


def motion(folder, skeleton, text=MOTION):
    return read_motion(written(folder, "a.amc", text), skeleton)


@pytest.mark.parametrize(("frame", "pose"), [*enumerate(POSES.values())], ids=POSES)
def test_joints_are_where_geometry_puts_them(frame, pose, skeleton, tmp_path):
    assert_allclose(motion(tmp_path, skeleton)[frame], pose, atol=1e-12)


def test_bones_are_read_with_their_parents(skeleton):
    named = [(skeleton.names[i], skeleton.names[j]) for i, j in skeleton.edges]
    assert named == [("arm", "root"), ("Hand", "arm"), ("tail", "root")]


def test_bones_keep_their_lengths(skeleton):
    generator = default_rng(0)
    placed = forward_kinematics(
        skeleton, generator.normal(size=(50, 3)), 99 * generator.normal(size=(50, 4, 3))
    )
    child, parent = np.transpose(skeleton.edges)
    lengths = np.linalg.norm(placed[:, child] - placed[:, parent], axis=-1)
    assert_allclose(lengths, np.tile([2.0, 1.0, 1.0], (50, 1)), atol=1e-12)


def test_rotations_are_about_x_then_y_then_z():
    x, y, z = np.diag([10.0, 20.0, 30.0])
    assert_allclose(rotations(x + y + z), rotations(z) @ rotations(y) @ rotations(x), atol=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("arm 0 90\nHand 0\n4", "arm 0 90\n4", "joint 'Hand' needs 1 numbers in each of 4 frames"),
        ("Hand 90\n", "", "joint 'Hand' needs 1 numbers in each of 4 frames"),
        ("arm 0 90", "arm 0", "joint 'arm' needs 2 numbers in each of 4 frames"),
        ("arm 0 90", "arm 0 ninety", "could not convert"),
        ("root", "foot", "joint 'root' is missing"),
        (MOTION, "", "joint 'root' is missing"),
    ],
)
def test_a_torn_motion_is_refused(old, new, message, skeleton, tmp_path):
    with pytest.raises(ValueError, match=f"a.amc: not a motion of this skeleton in AMC: {message}"):
        motion(tmp_path, skeleton, MOTION.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (":hierarchy", "", "'hierarchy'"),
        ("    arm Hand\n  end\n", "    arm Hand\n", "a begin without an end"),
        ("    arm Hand\n", "", "'Hand'"),
        ("length 2", "length two", "could not convert"),
        ("TX TY TZ RX RY RZ", "RX RY RZ TX TY TZ", "in the order tx ty tz rx ry rz"),
    ],
)
def test_a_torn_skeleton_is_refused(old, new, message, tmp_path):
    file = written(tmp_path, "a.asf", SKELETON.replace(old, new))
    with pytest.raises(ValueError, match=f"a.asf: not a skeleton in ASF: .*{message}"):
        read_skeleton(file)


@real
def test_a_real_trial_is_where_it_was_found_to_be():
    person = read_skeleton(DATA / "raw" / "35.asf")
    found = read_motion(DATA / "raw" / "35_01.amc", person)
    expected = read_npz(DATA / "walk_subject35.npz")
    assert_allclose(found, expected["X"][: len(found)], rtol=0, atol=1e-5)
    assert person.edges == [tuple(edge) for edge in expected["edges"].tolist()]


@real
@both
def test_start_frames_are_the_published_ones(subject):
    person = MOCAP.SUBJECTS[subject]
    every = replace(person, sizes=dict.fromkeys(person.trials, 10**6))
    drawn = {
        part: {str(trial): at.tolist() for trial, at in starts.items()}
        for part, starts in MOCAP.draw(every).items()
    }
    assert drawn == json.loads((DATA / f"split_{subject}.json").read_text())


def mse(x, y):
    return (x - y).square().mean().item()


@real
@pytest.mark.parametrize(("subject", "stay", "fly"), [("walk", 12.89, 2.68), ("run", 89.8, 19.8)])
def test_trivial_predictors_score_as_they_should(subject, stay, fly):
    test = MOCAP.load(0, subject, str(DATA)).test
    x, v, y = test.inputs["position"], test.inputs["velocity"], test.targets["position"]
    assert (mse(x, y), mse(x + 30 * v, y)) == pytest.approx((stay, fly), rel=2e-3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Prepared arrays of random walks."""
    where = tmp_path_factory.mktemp("recordings")
    recordings.write(where)
    return str(where)


@pytest.mark.parametrize(
    ("subject", "sizes"), [("walk", (198, 600, 600)), ("run", (200, 240, 240))]
)
def test_splits_have_the_published_sizes(subject, sizes, folder):
    task = MOCAP.load(0, subject, folder)
    assert (len(task.train), len(task.val), len(task.test)) == sizes


@both
def test_no_trial_is_in_two_splits(subject):
    trials = [trial for part in MOCAP.SUBJECTS[subject].trials.values() for trial in part]
    assert len(trials) == len(set(trials))


@real
def test_the_bones_give_sixty_edges_and_seventy_of_two_hops():
    bones = MOCAP.load(0, "run", str(DATA)).test.inputs["adjacency"][0]
    assert bones.sum((0, 1)).tolist() == [60, 70]


def test_height_is_a_tenth_of_y(folder):
    inputs = MOCAP.load(0, "run", folder, height=True).train.inputs
    assert (inputs["height"] * 10 - inputs["position"][..., 1:2]).abs().max() < 1e-4


def test_turning_about_y_keeps_every_height(folder):
    task = MOCAP.load(0, "run", folder)
    plain, turned = (batch.targets["position"] for batch in (task.test, task.more["turned_y"]))
    assert (plain - turned)[..., 1].abs().max() < 1e-4
    assert (plain - turned)[..., 0].abs().max() > 1


def test_other_subjects_are_refused():
    with pytest.raises(ValueError, match="no subject 'swim'; there are walk, run"):
        MOCAP.load(0, "swim")


def test_recordings_at_another_pace_are_refused(folder, tmp_path):
    person = MOCAP.SUBJECTS["run"]
    arrays = read_npz(Path(folder) / person.prepared)
    ends = np.cumsum(arrays["lengths"])[:-1]
    slow = [trial[::2] for trial in np.split(arrays["X"], ends)]
    lengths = [len(trial) for trial in slow]
    np.savez(tmp_path / person.prepared, X=np.concatenate(slow), lengths=lengths, edges=[[1, 0]])
    with pytest.raises(ValueError, match="no recording of subject 09 has 141 frames"):
        MOCAP.load(0, "run", str(tmp_path))


def test_files_of_the_user_are_placed_into_the_cache(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REMUL_DATA", str(tmp_path))
    assert main(["data", "make", "mocap", f"source={folder}"]) == 0
    assert len(MOCAP.load(0, "run").train) == 200
    assert "mocap: partly, 2 files" in capsys.readouterr().out


def test_a_folder_without_recordings_is_refused(tmp_path, capsys):
    assert main(["data", "make", "mocap", f"source={tmp_path}"]) == 2
    assert f"error: {tmp_path} has none of 35.asf, 35_01.amc" in capsys.readouterr().err


def official(number, frames):
    """A file of so many frames in which the root is at x = number."""
    rows = "root {} 0 0 0 0 0\narm 0 0\nHand 0\n"
    return ":DEGREES\n" + "".join(f"{i}\n{rows.format(number)}" for i in range(1, frames + 1))


def test_official_files_are_put_in_the_order_of_the_split(tmp_path, monkeypatch):
    written(tmp_path, "09.asf", SKELETON)
    for number in range(1, 12):
        written(tmp_path, f"09_{number:02}.amc", official(number, 40 + 6 * (number == 10)))
    order = (3, 1, 2, 10, 5, 6, 7, 8, 9, 4, 11)
    person = replace(MOCAP.SUBJECTS["run"], frames=11 * (40,), first=order)
    monkeypatch.setitem(MOCAP.SUBJECTS, "run", person)
    monkeypatch.setattr(MOCAP, "draw", lambda _: {"test": {0: np.arange(2), 3: np.arange(1)}})
    monkeypatch.setattr(MOCAP.motion, "make_task", lambda splits, edges: splits["test"]["position"])
    assert MOCAP.load(0, "run", str(tmp_path))[:, 0, 0].tolist() == [3, 3, 10]

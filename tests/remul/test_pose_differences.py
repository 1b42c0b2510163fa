"""What a turn changes: zero for exact models, known for those that break the symmetry."""

import pytest
from torch.testing import assert_close

from remul import POINT, VECTOR, Rep, Signature, pose_differences
from remul.pose_differences import TURNS_DEG

OUTPUTS = {"energy": Rep("0e", objects=0), "force": VECTOR}
SIGNATURE = Signature({"position": POINT}, OUTPUTS)


def springs(inputs):
    x = inputs["position"] - inputs["position"].mean(1, keepdim=True)
    return {"energy": x.square().sum((1, 2))[:, None], "force": -2 * x}


def tethered(inputs):
    """Springs, and a weight along z."""
    z = inputs["position"].new_tensor([0.0, 0.0, 1.0])
    found = springs(inputs)
    height = (inputs["position"] * z).sum((1, 2))[:, None]
    return {"energy": found["energy"] + height, "force": found["force"] - z}


@pytest.fixture
def inputs(draw):
    x = draw(2, 4, 3)
    return {"position": x - x.mean(1, keepdim=True)}


@pytest.mark.slow
def test_an_exact_model_differs_by_round_off(inputs, generator):
    found = pose_differences(springs, inputs, SIGNATURE, generator)
    assert max(x.max() for x in found.largest.values()) < 1e-12
    assert found.angles_deg.tolist() == list(TURNS_DEG)


def test_a_constant_force_differs_by_the_chord_of_its_turn(inputs, generator):
    """Turned back, it points elsewhere in each pose; at most by the angle between them."""
    found = pose_differences(tethered, inputs, SIGNATURE, generator, [60, 180])
    assert_close(found.mean["force"], found.largest["force"])
    chords = 2 * (found.angles_deg / 2).deg2rad().sin()
    assert (found.mean["force"] <= chords[:, None] + 1e-12).all()
    assert found.mean["force"].min() > 0


def test_energies_are_for_each_object(inputs, generator):
    weighed = {"position": inputs["position"] + 1}  # 4 objects: the heights are those of their sum
    found = pose_differences(tethered, weighed, SIGNATURE, generator, [90])
    assert found.mean["energy"].shape == (1, 2)
    assert (found.mean["energy"] <= 2 * 3**0.5).all()
    assert_close(found.mean["energy"], found.largest["energy"])


def test_poses_need_a_turn(inputs, generator):
    with pytest.raises(ValueError, match="need at least one turn"):
        pose_differences(springs, inputs, SIGNATURE, generator, [])

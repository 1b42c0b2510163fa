"""What a turn changes: zero for exact models, known for those that break the symmetry."""

import pytest
import torch
from torch.testing import assert_close

from remul import POINT, SO3, VECTOR, Rep, Signature, equivariance_error, pose_differences
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


EDGES = Signature({"position": POINT}, {"edge": Rep("0e", objects=2)})
SKEW = torch.tensor([1.0, 2.0, 3.0]).double()


def lengths(inputs):
    """Of the edges, each axis with a weight of its own."""
    i, j = inputs["edge_index"]
    return {"edge": ((inputs["position"][i] - inputs["position"][j]) * SKEW).norm(dim=1)[:, None]}


GRAPHS = {"of one sample": ([[0, 1], [1, 0]], [True, False]), "none": ([[], []], [False, False])}


@pytest.mark.parametrize(("edges", "differ"), GRAPHS.values(), ids=GRAPHS)
def test_samples_without_edges_differ_by_nothing(edges, differ, draw, generator):
    ragged = {
        "position": draw(3, 3),
        "batch": torch.tensor([0, 0, 1]),
        "edge_index": torch.tensor(edges, dtype=torch.int64),
    }
    found = pose_differences(lengths, ragged, EDGES, generator, [30])
    error = equivariance_error(lengths, ragged, EDGES, SO3.sample(ragged, generator))
    three = (found.mean["edge"][0], found.largest["edge"][0], error)
    assert [(x != 0).tolist() for x in three] == [differ] * 3


def test_a_sample_of_padding_alone_differs_by_nothing(inputs, generator):
    mask = torch.tensor([1.0, 0]).double().view(2, 1, 1).expand(2, 4, 1)
    found = pose_differences(tethered, inputs | {"mask": mask}, SIGNATURE, generator, [90])
    assert (found.mean["force"][0, 0] > 0, found.mean["force"][0, 1]) == (True, 0)
    assert found.mean["energy"].isfinite().all()


def test_a_sample_without_objects_counts_as_one(draw, generator):
    signature, x = Signature({"x": VECTOR}, {"energy": OUTPUTS["energy"]}), draw(5, 3)
    model = lambda inputs: {"energy": inputs["x"].view(5, 3) @ SKEW[:, None]}  # noqa: E731
    alone, listed = (
        pose_differences(model, {"x": each}, signature, generator.manual_seed(0), [30]).mean
        for each in (x, x[:, None])
    )
    assert_close(alone, listed)
    assert alone["energy"].min() > 0


def test_turns_are_on_the_cpu_whatever_the_default_device(inputs, generator):
    with torch.device("meta"):
        found = pose_differences(springs, inputs, SIGNATURE, generator, [30])
    assert found.angles_deg.device.type == "cpu"

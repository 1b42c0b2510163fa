"""Typed fields: what a representation, a signature and a batch accept."""

from copy import deepcopy

import pytest
import torch
from e3nn import o3
from torch.testing import assert_close
from torch.utils.data import DataLoader

from remul import POINT, SCALAR, VECTOR, Batch, Rep, Signature


@pytest.mark.parametrize(
    ("irreps", "dim"), [("0e", 1), ("1o", 3), ("2x0e+1o", 5), ("3o", 7), ("2x2e+1e", 13)]
)
def test_a_rep_knows_its_components(irreps, dim):
    assert Rep(irreps).dim == dim


@pytest.mark.parametrize(
    "irreps",
    ["0e", "1o", "3x2e", "2x0e+1o", " 1e + 10x3o ", "2 x 1 o", "1y+2y", "0x4e+1o+0x2e", "1o+1o"],
)
def test_irreps_are_those_of_e3nn(irreps):
    expected = [(mul, irrep.l, irrep.p) for mul, irrep in o3.Irreps(irreps) if mul]
    assert list(Rep(irreps).chunks) == expected


@pytest.mark.parametrize(
    "irreps", ["vector", "1", "1x", "0x1o", "", None, "1o+", "-1x1o", "2x", "1o 1o"]
)
def test_unknown_and_empty_irreps_are_refused(irreps):
    with pytest.raises(ValueError, match="irreps"):
        Rep(irreps)


@pytest.mark.parametrize("irreps", ["0e", "1e", "2e", "1o+0e"])
def test_only_vectors_are_affine(irreps):
    with pytest.raises(ValueError, match=r"1o alone.*" + irreps.replace("+", r"\+")):
        Rep(irreps, affine=True)


@pytest.mark.parametrize("sides", [({}, {"y": SCALAR}), ({"x": SCALAR}, {})])
def test_a_signature_needs_both_sides(sides):
    with pytest.raises(ValueError, match="at least one"):
        Signature(*sides)


@pytest.mark.parametrize(
    "sides",
    [
        ({"x": POINT, "mask": VECTOR}, {"y": POINT}),
        ({"x": POINT}, {"mask": SCALAR}),
    ],
)
def test_the_name_mask_is_kept(sides):
    with pytest.raises(ValueError, match="'mask'"):
        Signature(*sides)


def test_a_slice_of_a_batch_keeps_inputs_and_targets_together():
    batch = Batch({"x": torch.arange(5)[:, None]}, {"y": 10 * torch.arange(5)[:, None]})
    part = batch[torch.tensor([3, 1])]
    assert torch.equal(10 * part.inputs["x"], part.targets["y"])


def test_the_length_of_a_batch_is_its_number_of_samples():
    assert len(Batch({"x": torch.zeros(5, 2, 3)}, {"y": torch.zeros(5, 1)})[1:4]) == 3


def test_a_batch_changes_dtype_on_both_sides():
    batch = Batch({"x": torch.zeros(5, 1)}, {"y": torch.zeros(5, 1)}).to(torch.float64)
    assert {batch.inputs["x"].dtype, batch.targets["y"].dtype} == {torch.float64}


def test_whole_numbers_stay_whole_in_another_dtype():
    inputs = {"x": torch.zeros(5, 1), "kind": torch.zeros(5, 1, dtype=torch.long)}
    batch = Batch(inputs, {"y": torch.zeros(5, 1)}).to(torch.float64)
    assert [x.dtype for x in batch.inputs.values()] == [torch.float64, torch.long]


def numbered(size):
    """A batch whose targets say which sample it is."""
    number = torch.arange(float(size))[:, None]
    return Batch(
        {"x": number[:, :, None].expand(size, 4, 3), "charge": number.long()}, {"y": number}
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_gives_batches_of_a_batch(workers):
    loader = DataLoader(numbered(5), batch_size=2, num_workers=workers)
    parts = list(loader)
    assert [type(part) for part in parts] == [Batch] * 3
    assert_close(torch.cat([part.inputs["x"] for part in parts]), numbered(5).inputs["x"])
    assert_close(torch.cat([part.targets["y"] for part in parts]), numbered(5).targets["y"])


def test_the_fields_of_a_copy_may_be_cast_in_place():
    """As Lightning does it under 64-true, which refuses frozen dataclasses."""
    copied = deepcopy(numbered(2))
    copied.inputs = {name: x.double() for name, x in copied.inputs.items()}
    assert copied.inputs["x"].dtype == torch.float64

"""Typed fields: what a representation and a signature accept."""

import pytest
from e3nn import o3

from remul import POINT, SCALAR, VECTOR, Rep, Signature


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


ALIKE = [("1x1o", "1o"), ("1y", "1o"), ("0e + 1o", "0e+1o"), ("1o+1o", "2x1o"), ("0x2e+1o", "1o")]


@pytest.mark.parametrize(("first", "second"), ALIKE)
def test_reps_that_transform_alike_are_equal(first, second):
    assert Rep(first) == Rep(second)
    assert hash(Rep(first)) == hash(Rep(second))


@pytest.mark.parametrize(
    "other", [Rep("1e"), POINT, Rep("1o", objects=2), Rep("1o", space="s"), Rep("2x1o"), "1o"]
)
def test_reps_that_do_not_are_not(other):
    assert other != VECTOR


def test_a_rep_keeps_the_text_of_its_irreps():
    assert repr(Rep(o3.Irreps("1o"))) == "Rep(irreps='1x1o', affine=False, objects=1, space='')"


def test_the_mask_may_be_declared_in_any_spelling():
    assert Signature({"x": POINT, "mask": Rep("1x0e")}, {"y": POINT}).inputs["mask"].dim == 1


@pytest.mark.parametrize("side", [["x"], "x", None, Signature({"x": POINT}, {"y": POINT})], ids=str)
def test_what_names_no_types_is_no_side_of_a_signature(side):
    with pytest.raises(ValueError, match="types are Reps by field name"):
        Signature({"x": POINT}, side)

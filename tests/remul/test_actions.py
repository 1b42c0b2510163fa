"""Laws of the action: a homomorphism that keeps distances and agrees with e3nn."""

import pytest
import torch
from e3nn import o3
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

import remul
from remul import (
    E3,
    O3,
    POINT,
    SCALAR,
    SO3,
    VECTOR,
    Batch,
    Element,
    MatrixElement,
    Permutation,
    Rep,
    Signature,
    act,
    wigner,
)

ROUND_OFF = 1e-12
near = {"rtol": 0, "atol": ROUND_OFF}


def elements(generator, group=E3, size=5):
    return group.sample({"x": torch.zeros(size, 1)}, generator)


def identity(size=5):
    return Element(torch.eye(3).double().expand(size, 3, 3), torch.zeros(size, 3).double())


def test_act_is_a_homomorphism(irreps, draw, generator):
    g, h = elements(generator), elements(generator)
    x, types = {"x": draw(5, 4, Rep(irreps).dim)}, {"x": Rep(irreps)}
    assert_close(act(g, act(h, x, types), types), act(g @ h, x, types), **near)


def test_act_on_points_is_a_homomorphism(draw, generator):
    g, h = elements(generator), elements(generator)
    x, types = {"x": draw(5, 4, 3)}, {"x": POINT}
    assert_close(act(g, act(h, x, types), types), act(g @ h, x, types), **near)


@pytest.mark.parametrize("rep", [Rep("1o"), Rep("1e"), Rep("2e"), Rep("3o"), POINT])
def test_the_order_of_a_product_matters(rep, draw, generator):
    g, h = elements(generator), elements(generator)
    x, types = {"x": draw(5, 4, rep.dim)}, {"x": rep}
    there, back = act(g @ h, x, types)["x"], act(h @ g, x, types)["x"]
    assert (there - back).norm(dim=-1).min() > 1e-3


def test_identity_changes_nothing(irreps, draw):
    x, types = {"x": draw(5, 4, Rep(irreps).dim)}, {"x": Rep(irreps)}
    assert_close(act(identity(), x, types), x, **near)


def test_lengths_survive(irreps, draw, generator):
    x = draw(5, 4, Rep(irreps).dim)
    turned = act(elements(generator), {"x": x}, {"x": Rep(irreps)})["x"]
    assert_close(turned.norm(dim=-1), x.norm(dim=-1), **near)


def test_distances_between_points_survive(draw, generator):
    x = draw(5, 4, 3)
    moved = act(elements(generator), {"x": x}, {"x": POINT})["x"]
    assert_close(torch.cdist(moved, moved), torch.cdist(x, x), **near)


def test_inversion_multiplies_by_the_parity(irreps, draw):
    g = identity()
    x = draw(5, 4, Rep(irreps).dim)
    inverted = act(Element(-g.rotation, g.translation), {"x": x}, {"x": Rep(irreps)})["x"]
    assert_close(inverted, {"e": 1, "o": -1}[irreps[1]] * x, **near)


@pytest.mark.parametrize("degree", range(4))
def test_rotations_do_not_see_the_parity(degree, draw, generator):
    x = draw(5, 4, 2 * degree + 1)
    types = {"even": Rep(f"{degree}e"), "odd": Rep(f"{degree}o")}
    turned = act(elements(generator, SO3), {"even": x, "odd": x}, types)
    assert_close(turned["even"], turned["odd"], **near)


@pytest.mark.parametrize("degree", range(5))
def test_wigner_is_orthogonal(degree, generator):
    block = wigner(degree, elements(generator, O3).rotation)
    assert_close(block @ block.mT, torch.eye(2 * degree + 1).double().expand_as(block), **near)


@pytest.mark.parametrize("degree", range(5))
def test_wigner_has_determinant_one_for_rotations(degree, generator):
    block = wigner(degree, elements(generator, SO3).rotation)
    assert_close(torch.linalg.det(block), torch.ones(5).double(), **near)


@pytest.mark.parametrize("degree", range(5))
def test_wigner_gives_reflections_the_natural_parity(degree, generator):
    rotation = elements(generator, SO3).rotation
    assert_close(wigner(degree, -rotation), (-1) ** degree * wigner(degree, rotation), **near)


@pytest.mark.parametrize("degree", range(5))
def test_wigner_agrees_with_spherical_harmonics(degree, draw, generator):
    rotation = elements(generator, O3, 50).rotation
    x = torch.nn.functional.normalize(draw(50, 4, 3), dim=-1)
    after = o3.spherical_harmonics(degree, x @ rotation.mT, normalize=False)
    before = o3.spherical_harmonics(degree, x, normalize=False)
    assert_close(after, before @ wigner(degree, rotation).mT, **near)


def test_wigner_refuses_a_negative_degree(generator):
    with pytest.raises(ValueError, match="0 or more, got -1"):
        wigner(-1, elements(generator, SO3).rotation)


def test_wigner_is_differentiable(generator):
    rotation = elements(generator, SO3, 2).rotation.requires_grad_()
    assert torch.autograd.gradcheck(lambda matrix: wigner(3, matrix), rotation)


def test_scalars_come_back_as_they_are(draw, generator):
    x = draw(5, 4, 3)
    assert torch.equal(act(elements(generator), {"x": x}, {"x": Rep("3x0e")})["x"], x)


@pytest.mark.parametrize("types", [{"x": POINT}, {"x": POINT, "mask": SCALAR}])
def test_the_mask_comes_back_as_it_is(types, draw, generator):
    mask = torch.ones(5, 4, 1)
    assert act(elements(generator), {"x": draw(5, 4, 3), "mask": mask}, types)["mask"] is mask


def test_translations_move_points(draw):
    x, shift = draw(5, 4, 3), draw(5, 3)
    moved = act(Element(identity().rotation, shift), {"x": x}, {"x": POINT})["x"]
    assert_close(moved, x + shift[:, None], **near)


def test_translations_act_on_points_alone(irreps, draw):
    x, types = {"x": draw(5, 4, Rep(irreps).dim)}, {"x": Rep(irreps)}
    moved = act(Element(identity().rotation, draw(5, 3)), x, types)
    assert_close(moved, act(identity(), x, types), rtol=0, atol=0)


def test_copies_of_points_move_alike(draw, generator):
    g, x = elements(generator), draw(5, 4, 6)
    moved = act(g, {"x": x}, {"x": Rep("2x1o", affine=True)})["x"]
    halves = [act(g, {"x": half}, {"x": POINT})["x"] for half in x.split(3, -1)]
    assert_close(moved, torch.cat(halves, -1), **near)


def test_a_mixed_field_turns_irrep_by_irrep(draw, generator):
    g, x = elements(generator), draw(5, 4, 12)
    parts = zip(x.split([1, 3, 3, 5], -1), ["0o", "1o", "1o", "2e"], strict=True)
    expected = [act(g, {"x": part}, {"x": Rep(irrep)})["x"] for part, irrep in parts]
    turned = act(g, {"x": x}, {"x": Rep("0o+2x1o+2e")})["x"]
    assert_close(turned, torch.cat(expected, -1), **near)


@pytest.mark.parametrize("shape", [(), (4,), (4, 4)])
def test_objects_turn_one_by_one(shape, draw, generator):
    g, x = elements(generator), draw(5, *shape, 3)
    expected = torch.einsum("bij,b...j->b...i", g.rotation, x)
    assert_close(act(g, {"x": x}, {"x": VECTOR})["x"], expected, **near)


def test_one_element_serves_all_samples(draw, generator):
    g, x = elements(generator, size=1), {"x": draw(5, 4, 3)}
    repeated = Element(g.rotation.expand(5, 3, 3), g.translation.expand(5, 3))
    assert_close(act(g, x, {"x": POINT}), act(repeated, x, {"x": POINT}), **near)


def test_fields_keep_their_dtype(irreps, draw, generator):
    x = {"x": draw(5, 4, Rep(irreps).dim).float()}
    assert act(elements(generator), x, {"x": Rep(irreps)})["x"].dtype == torch.float32


def test_elements_are_cast_last(irreps, draw, generator):
    g, x, types = elements(generator), draw(5, 4, Rep(irreps).dim), {"x": Rep(irreps)}
    single = act(g, {"x": x.float()}, types)["x"]
    assert_close(single.double(), act(g, {"x": x}, types)["x"], rtol=0, atol=2e-6)


@pytest.mark.parametrize("rep", [VECTOR, POINT, Rep("2e+1o")])
def test_mixed_precision_leaves_the_action_alone(rep, draw, generator):
    g, x, types = elements(generator), {"x": 50 * draw(5, 4, rep.dim).float()}, {"x": rep}
    with torch.autocast("cpu", torch.bfloat16):
        mixed = act(g, x, types)["x"]
    assert torch.equal(mixed, act(g, x, types)["x"])


def test_what_turns_in_low_precision_is_rounded_once(draw, generator):
    g, x = elements(generator), draw(5, 4, 3).bfloat16()
    exact = act(g, {"x": x.float()}, {"x": POINT})["x"]
    assert torch.equal(act(g, {"x": x}, {"x": POINT})["x"], exact.bfloat16())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"y": (5, 4, 3)}, "'x' is missing"),
        ({"x": (5, 4, 3), "y": (5, 4, 3)}, "'y' has no declared type"),
        ({"x": (5, 4, 2)}, "'x' has 2 components"),
        ({"x": (4, 4, 3)}, "'x' has 4 samples"),
    ],
)
def test_act_names_the_wrong_field(fields, message, generator):
    zeros = {name: torch.zeros(shape) for name, shape in fields.items()}
    with pytest.raises(ValueError, match=message):
        act(elements(generator), zeros, {"x": VECTOR})


EYE, NO_SHIFT = torch.eye(3).double()[None], torch.zeros(1, 3).double()
ILL_SHAPED = {
    "of 4 x 4": (torch.eye(4)[None], NO_SHIFT),
    "of the plane": (torch.eye(2)[None], torch.zeros(1, 2)),
    "without a batch": (EYE[0], NO_SHIFT[0]),
    "with a shift for all": (EYE, NO_SHIFT[0]),
    "with shifts of others": (EYE, NO_SHIFT.expand(2, 3)),
    "of two batches": (EYE[None], NO_SHIFT),
}


@pytest.mark.parametrize(("rotation", "translation"), ILL_SHAPED.values(), ids=ILL_SHAPED)
def test_an_element_of_another_shape_is_refused(rotation, translation):
    with pytest.raises(
        ValueError, match=r"rotation \(batch, 3, 3\) and a translation \(batch, 3\)"
    ):
        Element(rotation, translation)


NO_ORDERS = [[0.0, 1.0], [0, 0], [0, 2], [0, -1]]


@pytest.mark.parametrize("order", NO_ORDERS, ids=str)
def test_what_is_no_order_is_no_permutation(order):
    with pytest.raises(ValueError, match="each from 0 to n - 1 once in a row"):
        Permutation(torch.tensor([order]))


@pytest.mark.parametrize("g", [torch.eye(3), None, remul.SO3], ids=["tensor", "none", "group"])
def test_act_needs_a_group_element(g, draw):
    with pytest.raises(ValueError, match=r"a group element is needed .* got a"):
        act(g, {"v": draw(2, 3)}, {"v": VECTOR})


def test_elements_of_different_samples_have_no_product():
    with pytest.raises(ValueError, match="of 2 and of 3 samples have no product"):
        Element(EYE.expand(2, 3, 3), NO_SHIFT.expand(2, 3)) @ Element(
            EYE.expand(3, 3, 3), NO_SHIFT.expand(3, 3)
        )


NO_FIELDS = {"a number": torch.tensor(1.0), "one axis": torch.zeros(3), "a list": [[1.0, 2, 3]]}


@pytest.mark.parametrize("x", NO_FIELDS.values(), ids=NO_FIELDS)
def test_a_field_without_batch_or_components_is_refused(x):
    with pytest.raises(ValueError, match=r"field 'v' .*\(batch, ..., dim\)"):
        act(Element(EYE, NO_SHIFT), {"v": x}, {"v": VECTOR})


@pytest.mark.parametrize("size", [(2, 2), (2, 4), (3,)], ids=str)
@pytest.mark.parametrize("degree", [0, 1, 2])
def test_wigner_needs_rotations_of_space(degree, size):
    with pytest.raises(ValueError, match=r"rotations are \(batch, 3, 3\)"):
        wigner(degree, torch.zeros(1, *size))


def test_a_type_by_its_name_alone_is_refused():
    with pytest.raises(ValueError, match="the type of field 'v' has to be a Rep, got '1o'"):
        Signature({"v": "1o"}, {"v": VECTOR})


ODD_OUTPUTS = {
    "of one sample": (lambda x: x.mean(0, keepdim=True), r"\(1, 4, 3\) for 10 samples"),
    "a number": (lambda x: x.sum(), r"\(\) for 10 samples"),
    "nothing": (lambda x: None, "a tensor is needed, got a NoneType"),
}


@pytest.mark.parametrize(("function", "words"), ODD_OUTPUTS.values(), ids=ODD_OUTPUTS)
def test_an_output_of_another_shape_is_told(function, words, draw):
    batch = Batch({"v": draw(5, 4, 3)}, {"v": draw(5, 4, 3)})
    signature = Signature({"v": VECTOR}, {"v": VECTOR})
    with pytest.raises(ValueError, match=words):
        remul.loss_terms(
            lambda inputs: {"v": function(inputs["v"])},
            batch, signature, Element(EYE, NO_SHIFT), torch.nn.functional.mse_loss,
        )  # fmt: skip


NO_CALLS = {
    "a tensor": (torch.zeros(2, 4, 3), {"v": VECTOR}, "fields are tensors by name, got a Tensor"),
    "a signature": ({"v": torch.zeros(2, 4, 3)}, Signature({"v": VECTOR}, {"v": VECTOR}), "Reps"),
    "a text": ({"v": torch.zeros(2, 4, 3)}, {"v": "1o"}, "has to be a Rep, got '1o'"),
    "whole numbers": ({"v": torch.zeros(2, 4, 3, dtype=torch.int64)}, {"v": VECTOR}, "floating"),
}


@pytest.mark.parametrize(("fields", "types", "words"), NO_CALLS.values(), ids=NO_CALLS)
def test_act_says_what_it_takes(fields, types, words):
    with pytest.raises(ValueError, match=words):
        act(Element(EYE, NO_SHIFT), fields, types)


QUARTER = torch.tensor([[[0, -1, 0], [1, 0, 0], [0, 0, 1]]])
DTYPES = [torch.int64, torch.float16, torch.float32]


@pytest.mark.parametrize("dtype", DTYPES)
def test_elements_are_kept_in_float64(dtype):
    g = Element(QUARTER.to(dtype), torch.ones(1, 3, dtype=torch.float32))
    space = MatrixElement({"plane": QUARTER.to(dtype)})
    kept = [g.rotation, g.translation, (g @ g.inverse()).rotation, space.matrices["plane"]]
    assert {x.dtype for x in kept} == {torch.float64}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("irreps", ["1e", "2e", "3o"])
def test_an_element_of_whole_numbers_acts_as_any_other(irreps, dtype, draw):
    x, types = {"x": draw(2, 4, Rep(irreps).dim)}, {"x": Rep(irreps)}
    expected = act(Element(QUARTER.double(), NO_SHIFT), x, types)
    assert_close(act(Element(QUARTER.to(dtype), NO_SHIFT), x, types), expected, rtol=0, atol=0)


@pytest.mark.parametrize("degree", range(4))
def test_wigner_takes_whole_numbers(degree):
    assert_close(wigner(degree, QUARTER), wigner(degree, QUARTER.float()), rtol=0, atol=0)


def test_a_permutation_may_come_in_bytes(draw):
    x, order = {"x": draw(2, 3, 1)}, torch.tensor([[2, 0, 1]])
    moved = act(Permutation(order.to(torch.uint8)), x, {"x": SCALAR})
    assert_close(moved, act(Permutation(order), x, {"x": SCALAR}), rtol=0, atol=0)


SWAP = Permutation(torch.tensor([[1, 0, 2]]))


@pytest.mark.parametrize("steps", [3, 4])
def test_a_permutation_leaves_the_steps_of_a_path_alone(steps, draw):
    x = draw(2, 3, steps, 3)
    assert torch.equal(act(SWAP, {"x": x}, {"x": VECTOR})["x"], x[:, [1, 0, 2]])


def test_a_permutation_reorders_pairs_that_are_typed_so(draw):
    x = draw(2, 3, 3, 3)
    found = act(SWAP, {"x": x}, {"x": Rep("1o", objects=2)})["x"]
    assert torch.equal(found, x[:, [1, 0, 2]][:, :, [1, 0, 2]])


ELEMENTS = {
    "motion": lambda: Element(EYE, NO_SHIFT),
    "permutation": lambda: Permutation(torch.tensor([[1, 0]])),
    "matrix": lambda: MatrixElement({"plane": EYE}),
}


@pytest.mark.parametrize("make", ELEMENTS.values(), ids=ELEMENTS)
def test_elements_are_compared_as_objects(make):
    g = make()
    assert {g: 1}[g] == 1
    assert g != make()


def test_matrices_act_on_a_gpu_in_the_precision_of_rotations():
    """Neither TF32 nor anything else rounds there; fake tensors tell without a device."""
    seen = []

    class Products(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            seen.extend(x.dtype for x in args[:2] if "bmm" in str(function))
            return function(*args, **(kwargs or {}))

    with FakeTensorMode(), Products():
        matrix = torch.empty(2, 3, 3, device="cuda", dtype=torch.float64)
        x = {"x": torch.empty(2, 4, 3, device="cuda")}
        act(MatrixElement({"plane": matrix}), x, {"x": Rep("3x0e", space="plane")})
        act(Element(matrix, torch.empty(2, 3, device="cuda").double()), x, {"x": VECTOR})
    assert seen == [torch.float64] * 4

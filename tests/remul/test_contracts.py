"""What every public name of `remul` has to bear: being sent to a worker, copied, traced, cast."""

import pickle
from copy import deepcopy

import pytest
import torch
from torch.nn import Identity
from torch.testing import assert_close

import remul
from remul import POINT, SCALAR, SO3, VECTOR, Batch, Rep, Signature

pytestmark = pytest.mark.slow

GROUPS = {
    "E3": remul.E3,
    "about_axis": remul.about_axis("z"),
    "by_angle": remul.rotations_by_angle(10, 20),
    "octahedral": remul.groups.octahedral,
    "permutations": remul.groups.permutations,
}
PENALTIES = {
    "Constant": remul.Constant(),
    "Ramp": remul.Ramp(1.0, 10),
    "GradNorm": remul.GradNorm(),
    "Dual": remul.Dual(0.1),
}
X = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(0))
SIGNATURE = Signature({"x": POINT}, {"x": POINT})
WRAPPED = {
    "group_average": remul.group_average(Identity(), SIGNATURE, remul.groups.octahedral.elements()),
    "frame_average": remul.frame_average(Identity(), SIGNATURE),
    "canonicalise": remul.canonicalise(Identity(), SIGNATURE),
}
VALUES = {
    "signature": SIGNATURE,
    "batch": Batch({"x": X}, {"x": X}),
    "element": remul.groups.octahedral.elements()[3],
    "permutation": remul.Permutation(torch.tensor([[1, 0]])),
    **GROUPS,
    **PENALTIES,
    **WRAPPED,
}


@pytest.mark.parametrize("copy", [deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_what_a_worker_needs_can_be_sent_to_it(value, copy):
    assert type(copy(value)) is type(value)


@pytest.mark.parametrize("wrapper", WRAPPED.values(), ids=WRAPPED)
def test_a_wrapper_that_was_sent_gives_what_it_gave(wrapper):
    assert_close(pickle.loads(pickle.dumps(wrapper))({"x": X}), wrapper({"x": X}))


TYPED = Signature({"p": POINT, "v": VECTOR}, {"p": POINT, "e": SCALAR, "q": Rep("2e")})
G, H = (SO3.sample({"one": torch.zeros(1, 1)}, torch.Generator().manual_seed(k)) for k in (1, 2))


def skewed(inputs):
    """Linear, so in any units, without any symmetry."""
    p, v = inputs["p"], inputs["v"]
    return {
        "p": p + 1.5 * v.roll(1, -1),
        "e": (p + v)[..., :1],
        "q": torch.cat([v, v[..., :2]], -1),
    }


def exact(inputs):
    p, v = inputs["p"], inputs["v"]
    return {"p": p + v, "e": 0 * v[..., :1], "q": 0 * torch.cat([v, v[..., :2]], -1)}


def generator():
    return torch.Generator().manual_seed(3)


def pair(inputs):
    return Batch(inputs, skewed(inputs)), TYPED, [G, H], torch.nn.functional.mse_loss


def weigh(penalty, inputs):
    weight = torch.ones((), requires_grad=True, dtype=inputs["p"].dtype)
    getattr(penalty, "watch", list)([weight])
    sides = {"fit": inputs["p"], "equivariance": inputs["v"]}
    return penalty({name: (weight * x).square().mean() for name, x in sides.items()})


RELATIVE = {
    "equivariance_error": lambda x: remul.equivariance_error(skewed, x, TYPED, G @ H),
    "error_over_floor": lambda x: remul.error_over_floor(skewed, skewed, x, TYPED, [G, H]),
}
IN_UNITS = {
    "mean_error": lambda x: remul.mean_error(skewed, x, TYPED, [G, H]),
    "expected_error": lambda x: remul.expected_error(skewed, x, TYPED, [G, H]),
    "lie_derivative": lambda x: remul.lie_derivative(skewed, x, TYPED, "z"),
    "pose_shift": lambda x: remul.pose_shift(skewed, x, TYPED, generator(), count=1).errors,
    "error_by_axis": lambda x: remul.error_by_axis(skewed, x, TYPED, generator(), count=1),
    "pose_differences": lambda x: (
        remul.pose_differences(skewed, x, TYPED, generator(), [50]).largest
    ),
    "frame_average": lambda x: remul.frame_average(skewed, TYPED)(x),
    "canonicalise": lambda x: remul.canonicalise(skewed, TYPED)(x),
    "field_distance": lambda x: remul.field_distance(
        skewed(x), exact(x), torch.nn.functional.l1_loss
    ),
    "interval": lambda x: list(remul.interval(x["p"].flatten(), generator())),
}
OTHERS = {
    "act": lambda x: remul.act(G, x, TYPED.inputs),
    "group_average": lambda x: remul.group_average(skewed, TYPED, [G, H])(x),
    "loss_terms": lambda x: remul.loss_terms(skewed, *pair(x)),
    "equivariance_loss": lambda x: remul.equivariance_loss(skewed, *pair(x)),
    "consistency_terms": lambda x: remul.consistency_terms(skewed, *pair(x)),
    "consistency_loss": lambda x: remul.consistency_loss(skewed, x, *pair(x)[1:]),
    "lie_terms": lambda x: remul.lie_terms(
        skewed, pair(x)[0], TYPED, "z", torch.nn.functional.mse_loss
    ),
    "error_by_nearest_pose": lambda x: (
        remul.error_by_nearest_pose(skewed, *pair(x)[:2], [G, H], generator(), 1).errors
    ),
    "lie_derivative_error": lambda x: remul.lie_derivative_error(skewed, x, TYPED, "z"),
    "lie_error_by_field": lambda x: remul.lie_error_by_field(skewed, x, TYPED, "z"),
    "lie_error_by_layer": lambda x: remul.lie_error_by_layer(Chain(), x, TYPED, "z"),
    "error_spectrum": lambda x: remul.error_spectrum(skewed, x, TYPED, 1),
    "wigner": lambda x: remul.wigner(3, G.rotation.to(x["p"])),
    "matrix_to_irreps": lambda x: remul.matrix_to_irreps(x["p"][:, :3] + x["p"][:, :3].mT),
    "irreps_to_matrix": lambda x: remul.irreps_to_matrix(torch.cat([x["p"], x["v"]], -1)),
    "GradNorm": lambda x: weigh(remul.GradNorm(), x),
    "Dual": lambda x: weigh(remul.Dual(0.1), x),
    "Ramp": lambda x: weigh(remul.Ramp(1.0, 10), x),
    "Constant": lambda x: weigh(remul.Constant(), x),
}
CALLS = RELATIVE | IN_UNITS | OTHERS
LAYERS = {  # of networks that have some, where tests/remul/test_latent.py and others call them
    "curvature", "feature_spectrum", "hidden_features", "latent_terms", "latent_transform",
    "pooled_embedding",
}  # fmt: skip
MATRICES = {"cyclic", "dihedral", "symmetric", "shifts", "quarter_turns"}  # groups, not fields
NO_FIELDS = {
    "wigner",
    "matrix_to_irreps",
    "irreps_to_matrix",
    "interval",
    "GradNorm",
    "Dual",
    "Ramp",
    "Constant",
}
DRAWS = {
    "error_by_nearest_pose",
    "pose_shift",
    "pose_differences",
    "error_by_axis",
    "interval",
}  # which vmap lets nobody do
every_call = pytest.mark.parametrize("name", CALLS)


def calls_but(*names):
    return pytest.mark.parametrize("name", [name for name in CALLS if name not in names])


class Chain(Identity):
    def stages(self):
        return {"first": (skewed, TYPED.outputs)}


def draw_fields(samples=2, objects=3, scale=1.0, dtype=torch.float64):
    shape = (samples, objects, 3)
    drawn = {name: torch.randn(shape, generator=generator()).double() for name in TYPED.inputs}
    drawn["v"] = drawn["v"].roll(1, -1).square()
    return {name: (scale * x).to(dtype) for name, x in drawn.items()}


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    return [
        x for part in (value.values() if isinstance(value, dict) else value) for x in tensors(part)
    ]


def in_double(value):
    return [x.detach().double() for x in tensors(value)]


def test_every_function_is_called():
    functions = {name for name in remul.__all__ if name[0].islower()}
    groups = {"about_axis", "rotations_by_angle", *MATRICES}
    assert functions - {"adapt", "random_axes"} - LAYERS - groups <= CALLS.keys()


@calls_but("error_over_floor")  # which counts in round-off of the precision
@pytest.mark.parametrize(("dtype", "near"), [(torch.bfloat16, 0.08), (torch.float16, 0.01)])
def test_low_precision_is_near_double(name, dtype, near):
    x = draw_fields(dtype=dtype)
    expected = in_double(CALLS[name]({key: value.double() for key, value in x.items()}))
    assert_close(in_double(CALLS[name](x)), expected, rtol=near, atol=near)


@pytest.mark.parametrize("name", RELATIVE)
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_what_has_no_unit_is_the_same_in_all_of_them(name, scale):
    expected = in_double(CALLS[name](draw_fields(dtype=torch.float32)))
    found = in_double(CALLS[name](draw_fields(scale=scale, dtype=torch.float32)))
    assert_close(found, expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", IN_UNITS)
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_what_is_in_units_grows_with_them(name, scale):
    expected = [scale * x for x in in_double(CALLS[name](draw_fields(dtype=torch.float32)))]
    found = in_double(CALLS[name](draw_fields(scale=scale, dtype=torch.float32)))
    assert_close(found, expected, rtol=1e-4, atol=1e-5 * scale)


LAYOUTS = {
    "transposed": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "strided": lambda x: torch.stack([x, x], -1)[..., 0],
}


@every_call
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_layout_in_memory_changes_nothing(name, layout):
    x = draw_fields()
    found = CALLS[name]({key: layout(value) for key, value in x.items()})
    assert_close(in_double(found), in_double(CALLS[name](x)), rtol=1e-10, atol=1e-12)


@every_call
def test_broadcast_samples_are_as_copies(name):
    x = {key: value[:1].expand(2, 3, 3) for key, value in draw_fields().items()}
    copies = {key: value.clone() for key, value in x.items()}
    assert_close(in_double(CALLS[name](x)), in_double(CALLS[name](copies)), rtol=1e-10, atol=1e-12)


@every_call
def test_autocast_changes_nothing_of_ours(name):
    x = draw_fields(dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = in_double(CALLS[name](x))
    assert_close(found, in_double(CALLS[name](x)), rtol=1e-4, atol=1e-5)


@every_call
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_gradients_are_finite(name, scale):
    x = {key: value.requires_grad_() for key, value in draw_fields(scale=scale).items()}
    ends = [value.sum() for value in tensors(CALLS[name](x)) if value.requires_grad]
    grads = torch.autograd.grad(sum(ends), list(x.values()), allow_unused=True) if ends else []
    assert all(grad.isfinite().all() for grad in grads if grad is not None)


@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")  # torch's own
@every_call
def test_forward_derivatives_are_finite(name):
    x = draw_fields()
    _, slopes = torch.func.jvp(lambda p: tensors(CALLS[name](x | {"p": p})), (x["p"],), (x["v"],))
    assert all(slope.isfinite().all() for slope in slopes)


@calls_but("frame_average", "GradNorm", *DRAWS)
def test_vmap_gives_what_each_gives(name):
    x = draw_fields()
    both = torch.stack([x["p"], x["v"]])
    found = torch.func.vmap(lambda p: tensors(CALLS[name](x | {"p": p})))(both)
    expected = CALLS[name](x | {"p": x["v"]})
    assert_close([value[1].double() for value in found], in_double(expected), rtol=1e-9, atol=1e-9)


@every_call
def test_one_object_is_enough(name):
    assert all(value.isfinite().all() for value in tensors(CALLS[name](draw_fields(objects=1))))


@calls_but(*NO_FIELDS)
def test_an_empty_batch_is_refused(name):
    with pytest.raises(ValueError, match=r"batch size of at least 1|has no entries"):
        CALLS[name](draw_fields(samples=0))


LOSSES = ["loss_terms", "equivariance_loss", "consistency_terms", "consistency_loss"]


@pytest.mark.parametrize("name", [*LOSSES, "field_distance", "frame_average", "canonicalise"])
def test_no_object_is_refused_where_nothing_follows(name):
    with pytest.raises(ValueError, match=r"has no entries|have no objects"):
        CALLS[name](draw_fields(objects=0))


def test_a_mask_without_a_real_object_is_refused():
    x = {"x": torch.ones(2, 3, 1)}
    with pytest.raises(ValueError, match="marks no object as real"):
        remul.field_distance(x, x, torch.nn.functional.mse_loss, torch.zeros(2, 3, 1))

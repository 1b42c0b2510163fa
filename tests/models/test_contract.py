"""Contracts of every model file: shapes, symmetries, padding, gradients, learning."""

import inspect
from contextlib import nullcontext
from copy import deepcopy
from functools import cache

import pytest
import torch
from networks import CLAIMING, NAMES, load, plugin
from torch.nn.functional import mse_loss
from torch.testing import assert_close

import remul
from bench.core import plugins
from bench.core.config import Plugin, Run
from bench.core.networks import build_network
from bench.training.build import build
from bench.training.loop import lr_factor, set_lr, trainer
from remul import (
    POINT,
    SCALAR,
    VECTOR,
    Element,
    Permutation,
    Rep,
    Signature,
    act,
    equivariance_error,
)

FREE = [name for name in NAMES if name not in CLAIMING]
SIDES = ["inputs", "outputs"]
IRREPS = [f"{degree}{parity}" for degree in range(4) for parity in "eo"]
SMALL = {"train": 16, "val": 8, "test": 8, "ood": 8}
POINTS = Rep("2x1o", affine=True)
BODIES = {"mass": SCALAR, "position": POINT, "velocity": VECTOR}
WHOLE = Rep("0e", objects=0)
BONDED = {"position": POINT, "bond": Rep("2x0e", objects=2)}
SIGNATURES = {
    "bonded": Signature(BONDED, {"position": POINT}),
    "whole": Signature(
        {"mass": SCALAR, "field": Rep("1o", objects=0), "position": POINT},
        {"energy": WHOLE, "dipole": Rep("1o", objects=0), "middle": Rep("1o", True, 0)},
    ),
    "scalars": Signature({"charge": SCALAR}, {"energy": SCALAR}),
    "vectors": Signature({"spin": VECTOR}, {"force": VECTOR}),
    "points": Signature({"position": POINT}, {"position": POINT}),
    "points_to_vectors": Signature({"position": POINT}, {"force": VECTOR, "energy": SCALAR}),
    "renamed_points": Signature({"start": POINT, "spin": VECTOR}, {"end": POINT}),
    "no_points": Signature({"mass": SCALAR, "spin": VECTOR}, {"energy": SCALAR, "force": VECTOR}),
    "bodies": Signature(BODIES, {"position": POINT, "velocity": VECTOR, "energy": SCALAR}),
    "copies": Signature(
        {"mass": Rep("3x0e"), "position": POINTS, "velocity": Rep("2x1o+0e")},
        {"position": POINTS, "end": POINT, "mixed": Rep("1o+2x0e+1o")},
    ),
}

USUAL = ("bodies", "bonded")


def of_kinds(kinds):
    """Each kind of signature; those of most tasks are fast."""
    slow = [pytest.param(kind, marks=pytest.mark.slow) for kind in kinds if kind not in USUAL]
    return pytest.mark.parametrize("kind", [*USUAL, *slow])


every_model = pytest.mark.parametrize("name", NAMES)
every_claim = pytest.mark.parametrize("name", CLAIMING)
every_signature = of_kinds(SIGNATURES)
moving_points = of_kinds(["points", "renamed_points", "bodies", "copies", "bonded", "whole"])


def made(name, signature, seed=0):
    """The model with its defaults in float64, all that it learns drawn by its fan-in."""
    generator = torch.Generator().manual_seed(seed)
    model = load(name).build(signature).double()
    with torch.no_grad():
        for weight in filter(lambda weight: weight.requires_grad, model.parameters()):
            shape = weight.shape
            drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
            weight.copy_(drawn / shape[-1] ** 0.5)
    return model


def build_on(name, kind):
    return load(name).build(SIGNATURES[kind])


def drawn(types, draw, batch=3, objects=5):
    return {name: draw(batch, *[objects] * rep.objects, rep.dim) for name, rep in types.items()}


def is_ordered(name):
    """Whether the model is built for a number of objects, so that their order counts."""
    return "objects" in inspect.signature(load(name).build).parameters


def permuted(fields, types):
    return act(Permutation(torch.tensor([[3, 1, 4, 0, 2]])), fields, types)


def real(fields):
    """The first five objects of each field that has objects."""
    cut = {2: lambda x: x, 3: lambda x: x[:, :5], 4: lambda x: x[:, :5, :5]}
    return {field: cut[x.dim()](x) for field, x in fields.items()}


@every_signature
@every_model
def test_outputs_have_the_declared_shapes(name, kind, draw):
    signature = SIGNATURES[kind]
    outputs = build_on(name, kind).double()(drawn(signature.inputs, draw))
    expected = {field: x.shape for field, x in drawn(signature.outputs, draw).items()}
    assert {field: x.shape for field, x in outputs.items()} == expected


WHOLES = {"energy": WHOLE}
LIVING = {
    "scalars": Signature({"mass": SCALAR}, {"energy": SCALAR}),
    "vectors": Signature({"velocity": VECTOR}, {"force": VECTOR}),
    "vectors_to_scalars": Signature({"mass": SCALAR, "velocity": VECTOR}, WHOLES),
    "points": Signature({"position": POINT}, {"position": POINT}),
    "points_to_scalars": Signature({"position": POINT}, WHOLES),
    "points_to_scalars_and_vectors": SIGNATURES["points_to_vectors"],
    "bodies": Signature(BODIES, {"position": POINT}),
    "bonded": SIGNATURES["bonded"],
    "bonded_scalars": Signature(
        {"mass": SCALAR, "bond": Rep("2x0e", objects=2)}, {"energy": SCALAR}
    ),
    "points_to_shapes": Signature({"position": POINT}, {"shape": Rep("2e")}),
    "shapes": Signature({"shape": Rep("2e"), "velocity": VECTOR}, {"shape": Rep("2e")}),
}


# Keys of attention have a bias in the published networks, which softmax takes out again.
PUBLISHED = {
    "transformer": "to_qkv.bias",
    "framed": "to_qkv.bias",
    "gatr": "attention.project.mix.bias",
}


def effects(model, signature, draw):
    """Whether each weight has an effect on any output, given random data, weights and losses."""
    for _ in range(2):
        for weight in model.parameters():
            weight.data = draw(*weight.shape) / max(weight.shape[-1], 1) ** 0.5
        outputs = model(drawn(signature.inputs, draw, batch=6))
        sum((x * draw(*x.shape)).sum() for x in outputs.values()).backward()
    return {
        weight: torch.zeros_like(x) if x.grad is None else x.grad
        for weight, x in model.named_parameters()
    }


@pytest.mark.parametrize("hparams", [{}, {"layers": 1}, {"neighbours": 2}], ids=str)
@of_kinds(LIVING)
@pytest.mark.parametrize("name", plugins.names("models"))
def test_no_weight_is_without_effect(name, kind, hparams, draw):
    taken = inspect.signature(load(name).build).parameters
    if not hparams.keys() <= taken.keys():
        pytest.skip(f"{name} has no {[*hparams]}")
    sizes = {"channels": 8, "objects": 5} | ({"degree": 2} if "shape" in kind else {})
    sizes = {option: size for option, size in sizes.items() if option in taken}
    signature = LIVING[kind]
    try:
        model = load(name).build(signature, **sizes, **hparams).double()
    except ValueError as refusal:
        pytest.skip(str(refusal))
    dead = {
        weight: int((effect == 0).sum())
        for weight, effect in effects(model, signature, draw).items()
        if (effect == 0).any() and not weight.endswith(PUBLISHED.get(name, "\n"))
    }
    assert not dead


@every_model
def test_one_object_is_enough(name, draw):
    signature = SIGNATURES["bodies"]
    outputs = made(name, signature)(drawn(signature.inputs, draw, objects=1))
    assert all(x.isfinite().all() for x in outputs.values())


@every_model
def test_outputs_keep_the_dtype(name, draw):
    inputs = {field: x.float() for field, x in drawn(BODIES, draw).items()}
    outputs = build_on(name, "bodies")(inputs)
    assert {x.dtype for x in outputs.values()} == {torch.float32}


@every_model
def test_inputs_are_left_alone(name, draw):
    inputs = drawn(BODIES, draw)
    before = {field: x.clone() for field, x in inputs.items()}
    made(name, SIGNATURES["bodies"])(inputs)
    assert_close(inputs, before, rtol=0, atol=0)


@every_model
def test_samples_do_not_see_each_other(name, draw):
    model, inputs = made(name, SIGNATURES["bodies"]), drawn(BODIES, draw)
    alone = model({field: x[:1] for field, x in inputs.items()})
    together = {field: x[:1] for field, x in model(inputs).items()}
    assert_close(together, alone, rtol=1e-12, atol=1e-12)


@every_model
def test_the_order_of_the_fields_does_not_matter(name, draw):
    model, inputs = made(name, SIGNATURES["bodies"]), drawn(BODIES, draw)
    assert_close(model(dict(reversed(inputs.items()))), model(inputs), rtol=0, atol=0)


def takes_no_points(name):
    """A network, or None, for charges, velocities and an order of the fields of its own."""
    types = Signature({"charge": SCALAR, "velocity": VECTOR}, {"velocity": VECTOR})
    try:
        return made(name, types)
    except ValueError:
        return None


@every_model
def test_integers_and_masks_may_come_first_where_there_are_no_points(name, draw):
    model, v = takes_no_points(name), draw(2, 4, 3)
    if model is None:
        pytest.skip("takes points alone")
    charge, mask = torch.ones(2, 4, 1), torch.ones(2, 4, 1).long()
    given = {"mask": mask, "charge": charge.long(), "velocity": v}
    expected = {"velocity": v, "charge": charge.double(), "mask": mask.double()}
    assert_close(model(given), model(expected), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", plugins.networks())
def test_what_turns_is_refused_of_scalars_alone(name):
    types = Signature({"charge": SCALAR}, {"velocity": VECTOR})
    refused = pytest.raises(ValueError, match=r"of scalars alone|there are none to turn")
    exact = plugins.claims_equivariance(name) or name == "rapidash"  # by other options than usual
    with refused if exact else nullcontext():
        load(name).build(types)


@pytest.mark.parametrize("name", plugins.networks())
def test_sizes_are_at_least_one(name):
    for option in {"channels", "layers", "heads"} & plugins.options("models", name).keys():
        with pytest.raises(ValueError, match=f"{option} has to be a whole number from 1"):
            build_network(name, SIGNATURES["bodies"], **{option: 0})


@pytest.mark.parametrize("name", [name for name in NAMES if not is_ordered(name)])
@every_signature
def test_outputs_follow_the_order_of_the_objects(name, kind, draw):
    signature = SIGNATURES[kind]
    model, inputs = made(name, signature), drawn(signature.inputs, draw)
    expected = permuted(model(inputs), signature.outputs)
    assert_close(model(permuted(inputs, signature.inputs)), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", [name for name in NAMES if is_ordered(name)])
def test_models_for_a_number_of_objects_see_their_order(name, draw):
    signature = SIGNATURES["bodies"]
    model, inputs = made(name, signature), drawn(BODIES, draw)
    found, expected = model(permuted(inputs, BODIES)), permuted(model(inputs), signature.outputs)
    assert (found["velocity"] - expected["velocity"]).abs().max() > 1e-3


@moving_points
@every_model
def test_translations_move_points_alone(name, kind, draw):
    signature = SIGNATURES[kind]
    inputs, shift = drawn(signature.inputs, draw), draw(3, 3)
    g = Element(torch.eye(3, dtype=torch.float64).expand(3, 3, 3), shift)
    assert equivariance_error(made(name, signature), inputs, signature, g).max() < 1e-12


def claimed(name):
    """The group that the model claims, E3 if it claims none."""
    return getattr(remul, plugins.group_claim(plugin(name)) or "E3")


def error_under_motions(name, signature, draw, generator):
    inputs = drawn(signature.inputs, draw)
    g = claimed(name).sample(inputs, generator)
    return equivariance_error(made(name, signature), inputs, signature, g)


@every_signature
@every_claim
def test_claims_of_equivariance_hold_in_float64(name, kind, draw, generator):
    assert error_under_motions(name, SIGNATURES[kind], draw, generator).max() < 1e-12


def round_off(model, inputs):
    """What float32 changes of the outputs, as a share of them, by sample."""
    rounded = deepcopy(model).float()(inputs)
    exact = model({field: x.double() for field, x in inputs.items()})
    joined = [torch.cat([x[field].flatten(1) for field in exact], 1) for x in (exact, rounded)]
    return (joined[0] - joined[1]).norm(dim=1) / joined[0].norm(dim=1)


@every_signature
@every_claim
def test_claims_of_equivariance_hold_in_float32(name, kind, draw, generator):
    """To the round-off of the outputs, which hangs on the sample and is itself small."""
    signature = SIGNATURES[kind]
    inputs = {field: x.float() for field, x in drawn(signature.inputs, draw).items()}
    model = made(name, signature)
    lost = round_off(model, inputs)
    assert lost.max() < 1e-4
    g = claimed(name).sample(inputs, generator)
    error = equivariance_error(model.float(), inputs, signature, g)
    assert (error / lost.clamp_min(torch.finfo(torch.float32).eps)).max() < 10


@moving_points
@pytest.mark.parametrize("name", [n for n in CLAIMING if plugins.group_claim(plugin(n)) == "SE3"])
def test_a_claim_without_reflections_means_that_they_break_it(name, kind, draw):
    signature = SIGNATURES[kind]
    mirror = Element(-torch.eye(3, dtype=torch.float64).expand(3, 3, 3), torch.zeros(3, 3))
    inputs = drawn(signature.inputs, draw)
    assert equivariance_error(made(name, signature), inputs, signature, mirror).min() > 1e-3


@pytest.mark.parametrize(
    "kind", ["vectors", "points", "points_to_vectors", "bodies", "copies", "bonded", "whole"]
)
@pytest.mark.parametrize("name", FREE)
def test_models_without_the_claim_are_not_equivariant(name, kind, draw, generator):
    assert error_under_motions(name, SIGNATURES[kind], draw, generator).max() > 1e-3


@cache
def refusal(name, side, irreps):
    """What the model says when a field `odd` of these irreps is added; None if it takes them."""
    types = {"inputs": {"spin": VECTOR}, "outputs": {"force": VECTOR}}
    types[side] = types[side] | {"odd": Rep(irreps)}
    try:
        load(name).build(Signature(**types))
    except ValueError as error:
        return str(error)
    return None


ADDED = [(name, side, irreps) for name in CLAIMING for side in SIDES for irreps in IRREPS]
REFUSED = [case for case in ADDED if refusal(*case)]


@pytest.mark.parametrize(("name", "side", "irreps"), REFUSED)
def test_a_refusal_names_model_field_and_irreps(name, side, irreps):
    assert all(word in refusal(name, side, irreps) for word in (name, "'odd'", f"'{irreps}'"))


@pytest.mark.parametrize(
    ("name", "irreps"), [(n, i) for n, s, i in ADDED if s == "inputs" and (n, s, i) not in REFUSED]
)
def test_claims_hold_for_every_irrep_taken(name, irreps, draw, generator):
    types = {"position": POINT, "spin": VECTOR, "odd": Rep(irreps)}
    signature = Signature(types, types)
    assert error_under_motions(name, signature, draw, generator).max() < 1e-12


@pytest.mark.parametrize("name", FREE)
def test_models_without_the_claim_take_every_irrep(name, irreps, draw):
    signature = Signature({"odd": Rep(irreps)}, {"spin": Rep(irreps)})
    outputs = made(name, signature)(drawn(signature.inputs, draw))
    assert outputs["spin"].shape == (3, 5, Rep(irreps).dim)


def padded(inputs, content=float("nan")):
    """The inputs with two objects more in each sample, and the mask that marks them."""
    widths = {2: (), 3: (0, 0, 0, 2), 4: (0, 0, 0, 2, 0, 2)}
    fields = {
        field: torch.nn.functional.pad(x, widths[x.dim()], value=content)
        for field, x in inputs.items()
    }
    mask = torch.ones(3, 5, 1, dtype=torch.float64)
    return fields | {"mask": torch.nn.functional.pad(mask, (0, 0, 0, 2))}


@every_signature
@every_model
def test_padding_does_not_change_the_real_objects(name, kind, draw):
    model, inputs = made(name, SIGNATURES[kind]), drawn(SIGNATURES[kind].inputs, draw)
    found = real(model(padded(inputs)))
    assert_close(found, model(inputs), rtol=1e-11, atol=1e-11)


@every_model
def test_padding_may_stand_anywhere(name, draw):
    model, inputs = made(name, SIGNATURES["bodies"]), padded(drawn(BODIES, draw), 0.0)
    keep = inputs["mask"].clone()
    keep[0, 1] = keep[1, 0] = 0
    there = keep.bool()
    with_nan = {field: torch.where(there, x, float("nan")) for field, x in inputs.items()}
    with_ones = {field: torch.where(there, x, 1.0) for field, x in inputs.items()}
    found, expected = (model(fields | {"mask": keep}) for fields in (with_nan, with_ones))
    kept = [{k: x[there.squeeze(-1)] for k, x in fields.items()} for fields in (found, expected)]
    assert_close(*kept, rtol=1e-11, atol=1e-11)


@every_claim
def test_claims_hold_with_padding(name, draw, generator):
    signature, inputs = SIGNATURES["bodies"], padded(drawn(BODIES, draw))
    g = claimed(name).sample(inputs, generator)
    assert equivariance_error(made(name, signature), inputs, signature, g).max() < 1e-12


def gradients(name, inputs, kind="bodies"):
    """Gradients of the weights and of the inputs for the sum of squares of the real outputs."""
    model = made(name, SIGNATURES[kind]).float()
    inputs = {field: x.float().requires_grad_(field != "mask") for field, x in inputs.items()}
    outputs = model(inputs)
    sum(x.square().sum() for x in real(outputs).values()).backward()
    tensors = [*model.parameters(), *inputs.values()]
    return torch.cat([x.grad.flatten() for x in tensors if x.grad is not None])


@every_signature
@every_model
def test_gradients_are_finite(name, kind, draw):
    assert gradients(name, drawn(SIGNATURES[kind].inputs, draw), kind).isfinite().all()


@every_signature
@every_model
def test_gradients_are_finite_at_coincident_points_and_zero_vectors(name, kind):
    zeros = drawn(SIGNATURES[kind].inputs, torch.zeros)
    assert gradients(name, zeros, kind).isfinite().all()


@every_model
def test_padding_sends_no_gradient(name, draw):
    assert gradients(name, padded(drawn(BODIES, draw))).isfinite().all()


def size(model):
    return sum(weight.numel() for weight in model.parameters())


LEARNING = [name for name in NAMES if size(build_on(name, "bodies"))]
NETWORKS = [name for name in NAMES if size(build_on(name, "bodies")) > 1000]


def run(name, seed=0, **kwargs):
    model = Plugin(plugin(name), kwargs)
    return Run(Plugin("nbody_gravity", SMALL), model, Plugin("plain"), seed=seed)


@pytest.mark.parametrize("name", LEARNING)
@pytest.mark.slow
def test_networks_overfit_eight_samples(name):
    """Those with hardly a weight learn at least; none is trained on once it has."""
    task, model, method = build(run(name), "cpu")
    training, batch = trainer(run(name), model, method), task.train[:8]
    start, steps = training.step(batch).item(), 300
    standing = mse_loss(batch.inputs["position"], batch.targets["position"]).item()
    enough = min(0.8 * start, 0.1 * standing) if name in NETWORKS else 0.8 * start
    for step in range(steps):
        set_lr(training.optimiser, 1e-3 * lr_factor("cosine", step / steps))
        if (end := training.step(batch).item()) < enough:
            break
    assert end < enough


@every_model
def test_one_seed_gives_one_set_of_weights(name):
    first, second = (build(run(name), "cpu")[1].state_dict() for _ in range(2))
    assert_close(first, second, rtol=0, atol=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_see_the_fields_of_pairs(name, draw):
    signature = SIGNATURES["bonded"]
    model, inputs = made(name, signature), drawn(signature.inputs, draw)
    other = model(inputs | {"bond": inputs["bond"].roll(1, 2)})
    assert (model(inputs)["position"] - other["position"]).abs().max() > 1e-4


@pytest.mark.parametrize("name", NETWORKS)
def test_another_seed_gives_other_weights(name):
    first, second = (build(run(name, seed), "cpu")[1].parameters() for seed in (0, 1))
    assert any(not torch.equal(*pair) for pair in zip(first, second, strict=True))


@every_model
def test_building_leaves_the_global_generator_alone(name):
    before = torch.get_rng_state()
    build(run(name), "cpu")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_papers_transformer_has_its_published_size():
    _, model, _ = build(run("transformer", channels=384, layers=10, heads=8), "cpu")
    assert size(model) == 11_827_587


def test_heads_have_to_divide_the_channels():
    with pytest.raises(ValueError, match="3 heads, 64 channels"):
        load("transformer").build(SIGNATURES["bodies"], channels=64, heads=3)


def test_more_objects_than_the_mlp_has_places_are_refused(draw):
    model = load("mlp").build(SIGNATURES["bodies"], objects=4).double()
    with pytest.raises(ValueError, match="up to 4 objects, got 5"):
        model(drawn(BODIES, draw))


@every_model
def test_a_field_without_objects_is_refused_by_name(name):
    signature = SIGNATURES["bodies"]
    inputs = {field: torch.zeros(4, rep.dim) for field, rep in signature.inputs.items()}
    with pytest.raises(
        ValueError, match=r"field 'mass' is \(4, 1\), declared as \(batch, n, dim\)"
    ):
        load(name).build(signature)(inputs)


@every_model
def test_outputs_of_pairs_are_refused_by_name(name):
    signature = Signature(BONDED, {"force": VECTOR, "bond": Rep("0e", objects=2)})
    with pytest.raises(ValueError, match=rf"{name} has no outputs for pairs; field 'bond' is one"):
        load(name).build(signature)


@pytest.mark.parametrize("name", CLAIMING)
def test_pairs_of_vectors_are_taken_exactly_or_refused(name, draw, generator):
    signature = Signature(BONDED | {"bond": Rep("1o", objects=2)}, {"position": POINT})
    refused = pytest.raises(ValueError, match=f"{name} takes 0e of pairs; field 'bond' is '1o'")
    with refused if name in NETWORKS else nullcontext():
        assert error_under_motions(name, signature, draw, generator).max() < 1e-12


@every_model
def test_a_model_trains_in_float64_after_it_was_scored(name, draw):
    model, inputs = made(name, SIGNATURES["bodies"]), drawn(BODIES, draw)
    with torch.inference_mode():
        model(inputs)
    loss = sum(x.square().mean() for x in model(inputs).values())
    weights = [w for w in model.parameters() if w.requires_grad]
    found = torch.autograd.grad(loss, weights, allow_unused=True) if weights else []
    assert all(gradient.isfinite().all() for gradient in found if gradient is not None)

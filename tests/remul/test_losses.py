"""Losses: zero for exact models, by hand for small ones, over real objects, in one pass."""

import pytest
import torch
from torch.nn.functional import l1_loss, mse_loss
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from remul import (
    E3,
    VECTOR,
    Batch,
    Element,
    Rep,
    Signature,
    act,
    consistency_loss,
    consistency_terms,
    equivariance_loss,
    loss_terms,
)

SIGNATURE = Signature({"x": VECTOR}, {"y": VECTOR})
QUARTER_TURN = torch.tensor([[[0, -1, 0], [1, 0, 0], [0, 0, 1]]], dtype=torch.float64)
G = Element(QUARTER_TURN, torch.zeros(1, 3, dtype=torch.float64))
BOTH = ("fit", "equivariance")


def shifted(inputs):
    """f(x) = x + (1, 0, 0): for g = G, f(g x) and g f(x) differ by (1, -1, 0)."""
    return {"y": inputs["x"] + torch.tensor([1.0, 0, 0], dtype=inputs["x"].dtype)}


class Recorder:
    """A model that remembers the sizes of the batches it was given."""

    def __init__(self, model):
        self.model, self.sizes = model, []

    def __call__(self, inputs):
        self.sizes.append(len(inputs["x"]))
        return self.model(inputs)


@pytest.fixture
def by_hand():
    """x = (1, 0, 0) and y = (0, 2, 0), as one sample of one object."""
    x, y = torch.tensor([[[[1.0, 0, 0]]], [[[0, 2.0, 0]]]], dtype=torch.float64)
    return Batch({"x": x}, {"y": y})


@pytest.fixture
def batch(draw):
    return Batch({"x": draw(5, 4, 3)}, {"y": draw(5, 4, 3)})


@pytest.fixture
def padded(batch):
    """Three real objects in the first sample, two in the others; the rest is not a number."""
    mask = torch.tensor([[1, 1, 1, 0]] + 4 * [[1, 0, 1, 0]]).unsqueeze(-1)
    x, y = (
        torch.where(mask.bool(), v, float("nan")) for v in (batch.inputs["x"], batch.targets["y"])
    )
    return Batch({"x": x, "mask": mask.double()}, {"y": y})


def test_exact_models_have_no_equivariance_loss(exact, vectors, generator):
    model, signature = exact
    batch = Batch(vectors, model(vectors))
    g = E3.sample(vectors, generator)
    assert equivariance_loss(model, batch, signature, g, l1_loss) < 1e-12


def test_broken_models_have_an_equivariance_loss(broken, exact, vectors, generator):
    model, signature = broken
    batch = Batch(vectors, exact[0](vectors))
    g = E3.sample(vectors, generator)
    assert equivariance_loss(model, batch, signature, g, l1_loss) > 1e-2


def test_exact_models_have_no_consistency_loss(exact, vectors, generator):
    model, signature = exact
    g = E3.sample(vectors, generator)
    assert consistency_loss(model, vectors, signature, g, l1_loss) < 1e-12


def test_broken_models_have_a_consistency_loss(broken, vectors, generator):
    model, signature = broken
    g = E3.sample(vectors, generator)
    assert consistency_loss(model, vectors, signature, g, l1_loss) > 1e-2


@pytest.mark.parametrize(("name", "value"), [("fit", 8 / 3), ("equivariance", 10 / 3)])
def test_terms_are_as_computed_by_hand(name, value, by_hand):
    terms = loss_terms(shifted, by_hand, SIGNATURE, G, mse_loss)
    assert terms[name].item() == pytest.approx(value, rel=1e-15)


def test_equivariance_loss_is_the_term_of_that_name(by_hand):
    loss = equivariance_loss(shifted, by_hand, SIGNATURE, G, mse_loss)
    assert loss.item() == pytest.approx(10 / 3, rel=1e-15)


def test_consistency_loss_is_as_computed_by_hand(by_hand):
    loss = consistency_loss(shifted, by_hand.inputs, SIGNATURE, G, mse_loss)
    assert loss.item() == pytest.approx(2 / 3, rel=1e-15)


def test_consistency_gradients_flow_through_both_sides(by_hand):
    c = torch.tensor([1.0, 2, 3], dtype=torch.float64, requires_grad=True)
    consistency_loss(
        lambda inputs: {"y": inputs["x"] + c}, by_hand.inputs, SIGNATURE, G, mse_loss
    ).backward()  # the mean square of c - R c = (c1 + c2, c2 - c1, 0)
    assert_close(c.grad, torch.tensor([4 / 3, 8 / 3, 0], dtype=torch.float64))


def test_distances_of_output_fields_add_up(by_hand):
    signature = Signature({"x": VECTOR}, {"y": VECTOR, "z": VECTOR})
    batch = Batch(by_hand.inputs, {"y": by_hand.targets["y"], "z": by_hand.targets["y"]})
    terms = loss_terms(
        lambda inputs: {"y": shifted(inputs)["y"], "z": 0 * inputs["x"]},
        batch, signature, G, mse_loss,
    )  # fmt: skip
    assert terms["fit"].item() == pytest.approx(8 / 3 + 4 / 3, rel=1e-15)


@pytest.mark.parametrize(("names", "size"), [(BOTH, 10), (["fit"], 5), (["equivariance"], 5)])
def test_terms_take_one_forward_pass(names, size, batch, generator):
    model = Recorder(shifted)
    loss_terms(model, batch, SIGNATURE, E3.sample(batch.inputs, generator), mse_loss, names)
    assert model.sizes == [size]


def test_consistency_takes_one_forward_pass(batch, generator):
    model = Recorder(shifted)
    consistency_loss(model, batch.inputs, SIGNATURE, E3.sample(batch.inputs, generator), mse_loss)
    assert model.sizes == [10]


@pytest.mark.parametrize("names", [["fit"], ["equivariance"], ["equivariance", "fit"]])
def test_terms_are_those_named(names, batch, generator):
    g = E3.sample(batch.inputs, generator)
    assert list(loss_terms(shifted, batch, SIGNATURE, g, mse_loss, names)) == names


@pytest.mark.parametrize("name", BOTH)
def test_a_term_is_the_same_with_or_without_the_other(name, batch, generator):
    g = E3.sample(batch.inputs, generator)
    alone = loss_terms(shifted, batch, SIGNATURE, g, mse_loss, [name])[name]
    assert torch.equal(loss_terms(shifted, batch, SIGNATURE, g, mse_loss)[name], alone)


def test_fit_needs_no_group_element(by_hand):
    terms = loss_terms(shifted, by_hand, SIGNATURE, None, mse_loss, ["fit"])
    assert terms["fit"].item() == pytest.approx(8 / 3, rel=1e-15)


def test_the_equivariance_term_is_the_fit_of_turned_samples(batch, generator):
    g = E3.sample(batch.inputs, generator)
    turned = Batch(act(g, batch.inputs, SIGNATURE.inputs), act(g, batch.targets, SIGNATURE.outputs))
    fit = loss_terms(shifted, turned, SIGNATURE, None, mse_loss, ["fit"])["fit"]
    assert_close(equivariance_loss(shifted, batch, SIGNATURE, g, mse_loss), fit)


def real(fields, mask):
    """The real objects of all samples as samples of one object."""
    return {name: x[mask.bool().squeeze(-1)][:, None] for name, x in fields.items()}


@pytest.mark.parametrize("distance", [mse_loss, l1_loss])
@pytest.mark.parametrize("name", BOTH)
def test_the_loss_is_the_loss_over_real_objects(name, distance, padded):
    mask = padded.inputs["mask"]
    alone = Batch(real({"x": padded.inputs["x"]}, mask), real(padded.targets, mask))
    expected = loss_terms(shifted, alone, SIGNATURE, G, distance)[name]
    assert_close(loss_terms(shifted, padded, SIGNATURE, G, distance)[name], expected)


@pytest.mark.parametrize("distance", [mse_loss, l1_loss])
def test_consistency_is_that_of_real_objects(distance, padded):
    alone = real({"x": padded.inputs["x"]}, padded.inputs["mask"])
    expected = consistency_loss(shifted, alone, SIGNATURE, G, distance)
    assert_close(consistency_loss(shifted, padded.inputs, SIGNATURE, G, distance), expected)


def test_padding_sends_no_gradient(padded):
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    terms = loss_terms(lambda x: {"y": scale * x["x"].nan_to_num()}, padded, SIGNATURE, G, mse_loss)
    terms["equivariance"].backward()
    assert scale.grad.isfinite()


def test_a_full_mask_changes_nothing(batch):
    masked = Batch(batch.inputs | {"mask": torch.ones(5, 4, 1)}, batch.targets)
    expected = loss_terms(shifted, batch, SIGNATURE, G, mse_loss)
    assert_close(loss_terms(shifted, masked, SIGNATURE, G, mse_loss), expected)


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        ({"y": 3}, {"y": 3}, "'x' is missing"),
        ({"x": 3, "w": 3}, {"y": 3}, "'w' has no declared type"),
        ({"x": 2}, {"y": 3}, "'x' has 2 components"),
        ({"x": 3}, {}, "'y' is missing"),
        ({"x": 3}, {"y": 3, "z": 3}, "'z' has no declared type"),
        ({"x": 3}, {"y": 1}, "'y' has 1 components"),
    ],
)
def test_errors_name_the_field(inputs, targets, message):
    batch = Batch(*({k: torch.zeros(1, 2, n) for k, n in f.items()} for f in (inputs, targets)))
    with pytest.raises(ValueError, match=message):
        loss_terms(shifted, batch, SIGNATURE, G, mse_loss)


def test_consistency_names_the_field():
    with pytest.raises(ValueError, match="'x' is missing"):
        consistency_loss(shifted, {"z": torch.zeros(1, 2, 3)}, SIGNATURE, G, mse_loss)


def test_an_unknown_term_is_named(batch):
    with pytest.raises(ValueError, match="no term 'fitt'; there are fit, equivariance"):
        loss_terms(shifted, batch, SIGNATURE, G, mse_loss, ["fitt"])


def test_a_model_that_gives_no_fields_is_told(batch):
    with pytest.raises(ValueError, match="gives a Tensor, not a dict of fields"):
        loss_terms(lambda inputs: inputs["x"], batch, SIGNATURE, G, mse_loss)


def test_a_mask_of_a_declared_type_is_no_other_field(padded):
    declared = Signature({"x": VECTOR, "mask": Rep("0e")}, {"y": VECTOR})
    expected = loss_terms(shifted, padded, SIGNATURE, G, mse_loss)
    assert_close(loss_terms(shifted, padded, declared, G, mse_loss), expected)


@pytest.fixture
def several(batch, generator):
    """Three elements per sample of `batch`."""
    return [E3.sample(batch.inputs, generator) for _ in range(3)]


LOSSES = {
    "label": lambda model, batch, g: equivariance_loss(model, batch, SIGNATURE, g, mse_loss),
    "functional": lambda model, batch, g: consistency_loss(
        model, batch.inputs, SIGNATURE, g, mse_loss
    ),
    "stop_gradient": lambda model, batch, g: consistency_loss(
        model, batch.inputs, SIGNATURE, g, mse_loss, stop_gradient=True
    ),
    "terms": lambda model, batch, g: sum(loss_terms(model, batch, SIGNATURE, g, mse_loss).values()),
    "functional_terms": lambda model, batch, g: sum(
        consistency_terms(model, batch, SIGNATURE, g, mse_loss).values()
    ),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


@every_loss
def test_several_elements_give_the_mean_over_them(loss, batch, several):
    one_by_one = torch.stack([loss(shifted, batch, g) for g in several]).mean()
    assert_close(loss(shifted, batch, several), one_by_one)


@every_loss
def test_a_list_of_one_element_is_that_element_to_the_bit(loss, batch, several):
    assert torch.equal(loss(shifted, batch, several[:1]), loss(shifted, batch, several[0]))


@pytest.mark.parametrize(
    ("name", "size"),
    [*zip(LOSSES, [15, 20, 20, 20, 20], strict=True)],
)
def test_several_elements_take_one_forward_pass(name, size, batch, several):
    model = Recorder(shifted)
    LOSSES[name](model, batch, several)
    assert model.sizes == [size]


@every_loss
def test_elements_may_come_one_by_one(loss, batch, several):
    assert torch.equal(loss(shifted, batch, iter(several)), loss(shifted, batch, several))


@pytest.mark.parametrize("g", [None, []])
@every_loss
def test_a_loss_asks_for_a_group_element(loss, g, batch):
    with pytest.raises(ValueError, match="at least one group element"):
        loss(shifted, batch, g)


@every_loss
def test_losses_refuse_empty_batches(loss):
    empty = Batch({"x": torch.zeros(0, 4, 3)}, {"y": torch.zeros(0, 4, 3)})
    with pytest.raises(ValueError, match="'x': 0"):
        loss(shifted, empty, G)


@every_loss
def test_losses_refuse_what_is_not_a_number(loss, batch):
    batch.inputs["x"][2, 1, 0] = float("nan")
    with pytest.raises(ValueError, match="field 'x' holds a NaN"):
        loss(shifted, batch, G)


@every_loss
def test_a_field_that_is_not_predicted_is_named(loss, batch):
    with pytest.raises(ValueError, match=r"'y'.*(missing|not predicted)"):
        loss(lambda inputs: {}, batch, G)


def test_a_prediction_of_another_shape_is_named(batch):
    with pytest.raises(ValueError, match=r"field 'y' is \(5, 1, 3\), its target \(5, 4, 3\)"):
        equivariance_loss(lambda x: {"y": x["x"][:, :1]}, batch, SIGNATURE, G, mse_loss)


def test_targets_are_as_many_as_inputs(batch):
    uneven = Batch(batch.inputs, {"y": batch.targets["y"][:3]})
    with pytest.raises(ValueError, match="field 'y' has length 3 for 5 samples"):
        loss_terms(shifted, uneven, SIGNATURE, G, mse_loss)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 3), (5, 3), (2, 4, 3), (2, 4, 4, 3)])
@every_loss
def test_losses_take_any_shape_and_dtype(loss, shape, dtype, draw):
    batch = Batch({"x": draw(shape).to(dtype)}, {"y": draw(shape).to(dtype)})
    found = loss(shifted, batch, G)
    assert (found.dtype, found.shape) == (dtype, ())


def scaled(scale):
    """f(x) = scale x + (1, 0, 0), with a learnt scale per component: not equivariant."""
    return lambda inputs: {"y": scale * inputs["x"] + shifted({"x": 0 * inputs["x"]})["y"]}


@every_loss
@pytest.mark.slow
def test_losses_are_the_same_under_compile(loss, batch):
    scale = torch.tensor([1.0, 2, 3], dtype=torch.float64)
    compiled = torch.compile(lambda s: loss(scaled(s), batch, G), backend="eager", fullgraph=True)
    assert_close(compiled(scale), loss(scaled(scale), batch, G))


@every_loss
def test_functional_gradients_are_those_of_backward(loss, batch):
    scale = torch.tensor([1.0, 2, 3], dtype=torch.float64, requires_grad=True)
    loss(scaled(scale), batch, G).backward()
    found = torch.func.grad(lambda s: loss(scaled(s), batch, G))(scale.detach())
    assert_close(found, scale.grad)


@every_loss
def test_losses_of_many_parameters_at_once_are_those_of_each(loss, batch, draw):
    net = torch.nn.Linear(3, 3).double()
    stacked = {"weight": draw(4, 3, 3), "bias": draw(4, 3)}

    def of(parameters):
        call = torch.func.functional_call
        return loss(lambda x: {"y": call(net, parameters, (x["x"],))}, batch, G)

    each = [of({name: x[i] for name, x in stacked.items()}) for i in range(4)]
    assert_close(torch.func.vmap(of)(stacked), torch.stack(each))


@pytest.mark.parametrize("stop_gradient", [False, True])
def test_the_value_is_the_same_with_or_without_stop_gradient(stop_gradient, by_hand):
    loss = consistency_loss(shifted, by_hand.inputs, SIGNATURE, G, mse_loss, stop_gradient)
    assert loss.item() == pytest.approx(2 / 3, rel=1e-15)


def test_stop_gradient_leaves_the_gradient_of_one_side(by_hand):
    c = torch.tensor([1.0, 2, 3], dtype=torch.float64, requires_grad=True)
    consistency_loss(
        lambda inputs: {"y": inputs["x"] + c}, by_hand.inputs, SIGNATURE, G, mse_loss, True
    ).backward()  # two thirds of c - R c = (c1 + c2, c2 - c1, 0)
    assert_close(c.grad, torch.tensor([2.0, 2 / 3, 0], dtype=torch.float64))


def test_functional_terms_are_the_fit_and_the_consistency_loss(batch, several):
    found = consistency_terms(shifted, batch, SIGNATURE, several, mse_loss)
    fit = loss_terms(shifted, batch, SIGNATURE, None, mse_loss, ["fit"])["fit"]
    assert_close(found, {"fit": fit, "equivariance": LOSSES["functional"](shifted, batch, several)})


@pytest.mark.parametrize("names", [["fit"], ["equivariance"], ["equivariance", "fit"]])
def test_functional_terms_are_those_named(names, batch):
    assert list(consistency_terms(shifted, batch, SIGNATURE, G, mse_loss, names)) == names


def test_the_functional_fit_needs_no_group_element(batch):
    found = consistency_terms(shifted, batch, SIGNATURE, None, mse_loss, ["fit"])
    assert_close(found, loss_terms(shifted, batch, SIGNATURE, None, mse_loss, ["fit"]))


@pytest.fixture
def unlabelled(draw):
    return {"x": draw(7, 4, 3)}


def test_unlabelled_inputs_carry_the_equivariance_term(batch, unlabelled):
    turning = scaled(torch.tensor([1.0, 2, 3], dtype=torch.float64))
    found = consistency_terms(turning, batch, SIGNATURE, G, mse_loss, unlabelled=unlabelled)
    expected = consistency_loss(turning, unlabelled, SIGNATURE, G, mse_loss)
    assert_close(found["equivariance"], expected)


def test_labelled_samples_carry_the_fit_alone(batch, unlabelled):
    found = consistency_terms(shifted, batch, SIGNATURE, G, mse_loss, unlabelled=unlabelled)
    assert_close(found["fit"], loss_terms(shifted, batch, SIGNATURE, G, mse_loss)["fit"])


@pytest.mark.parametrize(("names", "size"), [(BOTH, 5 + 7 + 7), (["equivariance"], 7 + 7)])
def test_unlabelled_inputs_share_the_forward_pass(names, size, batch, unlabelled):
    model = Recorder(shifted)
    consistency_terms(model, batch, SIGNATURE, G, mse_loss, names, unlabelled=unlabelled)
    assert model.sizes == [size]


def test_unlabelled_samples_are_like_those_of_the_batch(batch):
    with pytest.raises(ValueError, match="unlabelled field 'x'"):
        consistency_terms(
            shifted, batch, SIGNATURE, G, mse_loss, unlabelled={"x": torch.zeros(7, 5, 3)}
        )


INPUTS = {"x": torch.zeros(2, 4, 3)}
SWAPPED = {
    "a tuple": ((INPUTS, INPUTS), SIGNATURE, "a Batch.* is needed, got a tuple"),
    "inputs": (INPUTS, SIGNATURE, "a Batch.* is needed, got a dict"),
    "swapped": (SIGNATURE, Batch(INPUTS, INPUTS), "a Batch.* is needed, got a Signature"),
    "types": (Batch(INPUTS, INPUTS), {"x": VECTOR}, "a Signature.* is needed, got a dict"),
    "tensors": (Batch(INPUTS["x"], INPUTS["x"]), SIGNATURE, "fields are tensors by name"),
    "a tensor": (Batch(INPUTS, INPUTS["x"]), SIGNATURE, "fields are tensors by name"),
}


@pytest.mark.parametrize("terms", [loss_terms, consistency_terms])
@pytest.mark.parametrize(("batch", "signature", "words"), SWAPPED.values(), ids=SWAPPED)
def test_losses_say_what_they_take(terms, batch, signature, words):
    with pytest.raises(ValueError, match=words):
        terms(shifted, batch, signature, G, mse_loss)


def test_consistency_needs_a_signature(batch):
    with pytest.raises(ValueError, match=r"a Signature.* is needed, got a dict"):
        consistency_loss(shifted, batch.inputs, SIGNATURE.inputs, G, mse_loss)


@pytest.mark.parametrize("names", ["fit", [], ()], ids=str)
@pytest.mark.parametrize("terms", [loss_terms, consistency_terms])
def test_names_are_a_list_of_terms(terms, names, batch):
    with pytest.raises(ValueError, match="names are a list of terms"):
        terms(shifted, batch, SIGNATURE, G, mse_loss, names)


@every_loss
def test_a_path_as_long_as_there_are_objects_is_masked_by_object(loss, padded, draw):
    mask = padded.inputs["mask"]
    paths = Batch({"x": draw(5, 4, 4, 3), "mask": mask}, {"y": draw(5, 4, 4, 3)})
    alone = Batch(real({"x": paths.inputs["x"]}, mask), real(paths.targets, mask))
    assert_close(loss(shifted, paths, G), loss(shifted, alone, G))


@pytest.mark.parametrize("distance", [torch.nn.MSELoss(reduction="none"), torch.nn.MSELoss])
@pytest.mark.parametrize("terms", [loss_terms, consistency_terms])
def test_every_loss_needs_a_distance_that_is_one(terms, distance, batch):
    with pytest.raises(ValueError, match="distance"):
        terms(shifted, batch, SIGNATURE, G, distance)


def test_a_model_may_empty_its_inputs(batch):
    loss_terms(lambda inputs: {"y": inputs.pop("x")}, batch, SIGNATURE, None, mse_loss, ["fit"])
    assert list(batch.inputs) == ["x"]


def test_turning_takes_few_operations(batch):
    """Counted where nothing else is done: what a small network pays on top of its own."""
    count = 0

    class Count(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            nonlocal count
            count += 1
            return function(*args, **(kwargs or {}))

    with Count():
        loss_terms(lambda inputs: {"y": inputs["x"]}, batch, SIGNATURE, G, mse_loss)
    assert count <= 32

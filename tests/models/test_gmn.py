"""GMN: its bars keep their lengths, and bodies move by the mechanics of generalised coordinates."""

import pytest
import torch
from torch.testing import assert_close

from models import gmn
from models.layers.bars import Bars
from remul import E3, POINT, SCALAR, VECTOR, Rep, Signature, equivariance_error

TYPES = {"charge": SCALAR, "position": POINT, "velocity": VECTOR}
SIGNATURE = Signature(TYPES, {"end": POINT, "position": POINT, "energy": SCALAR})
STICK, HINGE, TREE = [[3, 1]], [[0, 1], [4, 2], [4, 3]], [[4, 0], [0, 2], [2, 3], [2, 1]]

every_body = pytest.mark.parametrize("bars", [STICK, HINGE, TREE], ids=["stick", "hinge", "tree"])


@pytest.fixture
def inputs(draw):
    return {name: draw(3, 6, rep.dim) for name, rep in TYPES.items()}


def build(network, bars, draw):
    """A network of few channels whose weights are drawn by their fan-in."""
    model = network("gmn", SIGNATURE, channels=8, layers=2, bars=bars)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(draw(*weight.shape) / weight.shape[-1] ** 0.5)
    return model


def lengths(x, bars):
    first, second = torch.tensor(bars).mT
    return (x[:, first] - x[:, second]).norm(dim=-1)


@every_body
def test_bars_keep_their_lengths_whatever_the_weights(bars, network, inputs, draw):
    outputs, before = build(network, bars, draw)(inputs), lengths(inputs["position"], bars)
    assert (outputs["position"] - inputs["position"]).abs().amax() > 1
    for name in ("position", "end"):
        assert_close(lengths(outputs[name], bars), before, rtol=1e-12, atol=0)


def test_bars_keep_their_lengths_under_autocast(network, inputs):
    model = network("gmn", SIGNATURE, channels=8, bars=TREE).float()
    inputs = {name: x.float() for name, x in inputs.items()}
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(inputs)
    before = lengths(inputs["position"], TREE)
    assert_close(lengths(outputs["position"], TREE), before, rtol=1e-5, atol=0)


def test_objects_on_no_bar_are_those_of_egnn(network, inputs):
    """In one layer, after which nothing has heard of the bars."""
    options = {"channels": 8, "layers": 1}
    model, egnn = (
        network("gmn", SIGNATURE, bars=STICK, **options),
        network("egnn", SIGNATURE, **options),
    )
    egnn.load_state_dict(model.state_dict())
    found, expected = model(inputs), egnn(inputs)
    free = [0, 2, 4, 5]
    assert torch.equal(found["position"][:, free], expected["position"][:, free])
    assert (found["position"] - expected["position"])[:, 3].abs().amax() > 1e-6


def test_without_bars_it_is_egnn(network, inputs):
    model, egnn = network("gmn", SIGNATURE, channels=8), network("egnn", SIGNATURE, channels=8)
    egnn.load_state_dict(model.state_dict())
    assert_close(model(inputs), egnn(inputs), rtol=0, atol=0)


@every_body
def test_bodies_take_the_nearest_moves_that_stretch_no_bar(bars, draw):
    """Gauss's principle, for moves so small that no bar has turned."""
    layer, x, pull = Bars(bars, SIGNATURE, "gmn"), draw(1, 5, 3), draw(1, 5, 3)
    found = (layer(x, x + 1e-6 * pull, layer.find({}, x)) - x) / 1e-6
    first, second = torch.tensor(bars).mT
    stretch = torch.zeros(len(bars), 5, 3).double()
    apart, each = x[0, first] - x[0, second], torch.arange(len(bars))
    stretch[each, first], stretch[each, second] = apart, -apart
    stretch = stretch.flatten(1)
    kept = pull.flatten() - torch.linalg.pinv(stretch) @ stretch @ pull.flatten()
    assert_close(found.flatten(), kept, rtol=0, atol=1e-4)


def test_a_stick_turns_by_its_angular_velocity():
    x = torch.tensor([[[1.0, 0, 0], [-1, 0, 0]]]).double()
    angle = torch.tensor(2.5).double()
    free = x + torch.tensor([[[0, 2.5, 3], [0, -2.5, 3]]])
    layer = Bars([[0, 1]], SIGNATURE, "gmn")
    end = torch.stack([angle.cos(), angle.sin(), torch.tensor(0.0)])
    expected = torch.stack([end, -end])[None] + torch.tensor([0, 0, 3])
    assert_close(layer(x, free, layer.find({}, x)), expected)


@every_body
def test_it_is_exact_with_bars(bars, network, inputs, draw, generator):
    g = E3.sample(inputs, generator)
    model = build(network, bars, draw)
    assert equivariance_error(model, inputs, SIGNATURE, g).max() < 1e-12


@every_body
def test_ragged_samples_have_the_bodies_of_dense_ones(bars, network, inputs, draw):
    model = network("gmn", SIGNATURE, channels=8, bars=bars)
    ragged = {name: x.flatten(0, 1) for name, x in inputs.items()}
    ragged["batch"] = torch.arange(3).repeat_interleave(6)
    found = {name: x.unflatten(0, (3, 6)) for name, x in model(ragged).items()}
    assert_close(found, model(inputs))


def test_gradients_are_finite_where_bars_have_no_length(network, inputs, draw):
    model = build(network, TREE, draw)
    inputs = {name: (0 * x).requires_grad_() for name, x in inputs.items()}
    sum(x.square().sum() for x in model(inputs).values()).backward()
    assert all(x.grad.isfinite().all() for x in (*model.parameters(), *inputs.values()))


CELL = Signature(TYPES | {"cell": Rep("3x1o", objects=0)}, {"energy": SCALAR})
TWO = Signature(TYPES, {"position": Rep("2x1o", affine=True)})
REFUSED = {
    "ring": (SIGNATURE, [[0, 1], [1, 2], [2, 0]], "close no ring"),
    "twice": (SIGNATURE, [[0, 1], [1, 0]], "close no ring"),
    "itself": (SIGNATURE, [[1, 1]], "close no ring"),
    "three": (SIGNATURE, [[0, 1, 2]], "pairs of objects"),
    "uneven": (SIGNATURE, [[0, 1], [2]], "pairs of objects"),
    "negative": (SIGNATURE, [[0, -1]], "pairs of objects"),
    "halves": (SIGNATURE, [[0, 0.5]], "pairs of objects"),
    "number": (SIGNATURE, 2, "pairs of objects"),
    "cell": (CELL, STICK, "no bars in a cell"),
    "no point": (Signature({"v": VECTOR}, {"v": VECTOR}), STICK, "each object is one point"),
    "two points": (TWO, STICK, "each object is one point"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_held_is_refused(case):
    signature, bars, reason = REFUSED[case]
    with pytest.raises(ValueError, match=f"gmn .*{reason}"):
        gmn.build(signature, bars=bars)


def masked(inputs):
    mask = torch.ones_like(inputs["charge"])
    mask[1, 3] = 0
    return inputs | {"mask": mask}


def ragged(inputs):
    fields = {name: x.flatten(0, 1)[:9] for name, x in inputs.items()}
    return fields | {"batch": torch.tensor([0] * 6 + [1] * 3)}


MISSING = {
    "few": (lambda inputs: {name: x[:, :3] for name, x in inputs.items()}, "object 3, .* has 3"),
    "ragged": (ragged, "object 3, .* has 3"),
    "padding": (masked, "object that is padding"),
}


@pytest.mark.parametrize("case", MISSING)
def test_a_sample_without_an_end_of_a_bar_is_refused(case, network, inputs):
    spoil, reason = MISSING[case]
    with pytest.raises(ValueError, match=reason):
        network("gmn", SIGNATURE, channels=8, bars=STICK)(spoil(inputs))

"""The loss to first order: the limit of the finite-angle one, from one forward pass."""

import pytest
import torch
from networks import load
from torch import nn
from torch.nn.functional import mse_loss
from torch.testing import assert_close

from remul import (
    POINT,
    SCALAR,
    VECTOR,
    Batch,
    Rep,
    Signature,
    consistency_loss,
    lie_terms,
    loss_terms,
    random_axes,
)

BODIES = {"mass": SCALAR, "position": POINT, "velocity": VECTOR}
ENERGY = {"energy": Rep("0e", objects=0)}
SIGNATURES = {
    "places": Signature(BODIES, {"position": POINT}),
    "tensors": Signature(BODIES, {"quadrupole": Rep("2e"), "spin": Rep("1e")}),
    "energies": Signature(BODIES, ENERGY),
}
ANGLE = 1e-5
every_signature = pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES)


def drawn(types, draw):
    shapes = {0: (5,), 1: (5, 4)}
    return {name: draw(*shapes[rep.objects], rep.dim) for name, rep in types.items()}


def gradients(loss, model):
    """In all weights, in one row."""
    weights = [*model.parameters()]
    found = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
    return torch.cat([x.flatten() for x in found])


@pytest.fixture
def batch(draw):
    return lambda signature: Batch(drawn(signature.inputs, draw), drawn(signature.outputs, draw))


@pytest.mark.parametrize("name", ["transformer", "gnn"])
@every_signature
def test_it_is_the_finite_loss_over_the_squared_angle(name, signature, network, batch, generator):
    model, inputs = network(name, signature, channels=8, layers=1), batch(signature).inputs
    axes = random_axes(inputs, generator)
    g = axes(torch.full((1,), ANGLE, dtype=torch.float64))
    finite = consistency_loss(model, inputs, signature, g, mse_loss) / ANGLE**2
    data = Batch(inputs, model(inputs))
    limit = lie_terms(model, data, signature, axes, mse_loss, ["equivariance"])["equivariance"]
    found, wanted = gradients(limit, model), gradients(finite, model)
    assert (found - wanted).norm() < 1e-4 * wanted.norm()


def test_one_gradient_of_an_energy_does_for_all_axes(network, batch):
    signature = SIGNATURES["energies"]
    model, data = network("transformer", signature, channels=8, layers=1), batch(signature)
    together = lie_terms(model, data, signature, [*"xyz"], mse_loss)["equivariance"]
    apart = [lie_terms(model, data, signature, axis, mse_loss)["equivariance"] for axis in "xyz"]
    assert_close(together, torch.stack(apart).mean())


def test_an_energy_costs_one_mode_what_it_costs_the_other(network, batch, generator):
    """The same energy with a field beside it goes forwards."""
    signature = SIGNATURES["energies"]
    model, data = network("transformer", signature, channels=8, layers=1), batch(signature)
    axes = random_axes(data.inputs, generator)
    reverse = lie_terms(model, data, signature, axes, mse_loss)["equivariance"]
    both = Signature(BODIES, ENERGY | {"none": SCALAR})
    beside = Batch(data.inputs, data.targets | {"none": data.inputs["mass"]})
    forward = lie_terms(lambda x: model(x) | {"none": x["mass"]}, beside, both, axes, mse_loss)
    assert_close(forward["equivariance"], reverse)


def test_exact_models_have_none(exact, vectors, generator):
    model, signature = exact
    axes = random_axes(vectors, generator)
    terms = lie_terms(model, Batch(vectors, model(vectors)), signature, axes, mse_loss)
    assert terms["equivariance"] < 1e-24


def test_broken_models_have_one(broken, exact, vectors, generator):
    model, signature = broken
    axes = random_axes(vectors, generator)
    terms = lie_terms(model, Batch(vectors, exact[0](vectors)), signature, axes, mse_loss)
    assert terms["equivariance"] > 1e-2


class Normed(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm = norm.double()

    def forward(self, inputs):
        return {"y": self.norm(inputs["x"].flatten(0, 1)).view_as(inputs["x"])}


VECTORS = Signature({"x": VECTOR}, {"y": VECTOR})


def test_norms_have_gradients_too(draw):
    """Those of PyTorch hold mean and deviation constant (pytorch#196700)."""
    model, x = Normed(nn.LayerNorm(3)), draw(5, 4, 3).requires_grad_()
    z = lambda angle: random_axes({"x": x}, torch.Generator().manual_seed(0))(angle)  # noqa: E731
    g = z(torch.full((1,), ANGLE, dtype=torch.float64))
    finite = consistency_loss(model, {"x": x}, VECTORS, g, mse_loss) / ANGLE**2
    limit = lie_terms(model, Batch({"x": x}, {"y": x}), VECTORS, z, mse_loss)["equivariance"]
    found, wanted = (torch.autograd.grad(loss, x)[0] for loss in (limit, finite))
    assert (found - wanted).norm() < 1e-4 * wanted.norm()


def test_batch_norm_in_training_is_refused(draw):
    model, x = Normed(nn.BatchNorm1d(3, track_running_stats=False)), draw(5, 4, 3)
    with pytest.raises(ValueError, match="batch norm"):
        lie_terms(model, Batch({"x": x}, {"y": x}), VECTORS, "x", mse_loss)


@every_signature
def test_the_fit_is_that_of_the_other_losses(signature, network, batch):
    model, data = network("gnn", signature, channels=8, layers=1), batch(signature)
    fit = lie_terms(model, data, signature, "x", mse_loss)["fit"]
    assert_close(fit, loss_terms(model, data, signature, None, mse_loss, ["fit"])["fit"])


@every_signature
def test_the_model_is_called_once(signature, network, batch):
    model, data, calls = network("gnn", signature, channels=8, layers=1), batch(signature), []
    counting = lambda inputs: calls.append(len(inputs["mass"])) or model(inputs)  # noqa: E731
    lie_terms(counting, data, signature, "x", mse_loss)
    assert calls == [5]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["egnn", "painn", "tfn", "segnn", "gatr", "nequip", "evfn"])
def test_exact_networks_have_none_in_float32(name, draw, generator):
    signature = SIGNATURES["places"]
    model = load(name).build(signature)
    inputs = {name: x.float() for name, x in drawn(signature.inputs, draw).items()}
    data, axes = Batch(inputs, {"position": inputs["position"]}), random_axes(inputs, generator)
    assert lie_terms(model, data, signature, axes, mse_loss)["equivariance"] < 1e-9


def test_padded_objects_do_not_count(network, batch):
    signature = SIGNATURES["places"]
    model, data = network("transformer", signature, channels=8, layers=1), batch(signature)
    mask = torch.ones(5, 4, 1, dtype=torch.float64)
    mask[:, 3] = 0
    padded = Batch(
        data.inputs | {"mask": mask},
        {"position": data.targets["position"].where(mask.bool(), torch.nan)},
    )
    short = Batch(*({n: x[:, :3] for n, x in f.items()} for f in (data.inputs, data.targets)))
    assert_close(
        lie_terms(model, padded, signature, "x", mse_loss),
        lie_terms(model, short, signature, "x", mse_loss),
    )


def test_a_mask_is_not_of_axes_after_the_objects(draw):
    """Of three objects at three times, the third object is padded, not the third time."""
    signature, late = Signature({"x": VECTOR}, {"x": VECTOR}), torch.zeros(3, 3)
    late[2] = 1

    def model(inputs):
        return {"x": inputs["x"] + late}

    mask = torch.tensor([[1.0], [1.0], [0.0]]).expand(2, 3, 1)
    x = draw(2, 3, 3, 3)
    data = Batch({"x": x, "mask": mask}, {"x": x})
    terms = lie_terms(model, data, signature, ["x"], mse_loss)
    assert terms["fit"].item() == pytest.approx(1 / 3)
    assert terms["equivariance"] > 0


def test_no_generator_is_refused(exact, vectors):
    model, signature = exact
    with pytest.raises(ValueError, match="at least one generator"):
        lie_terms(model, Batch(vectors, model(vectors)), signature, [], mse_loss)


def test_axes_need_a_generator(vectors):
    with pytest.raises(ValueError, match="a generator is needed"):
        random_axes(vectors, 0)


AXES = {
    "axes": lambda inputs: ["x", "z"],
    "random axes": lambda inputs: random_axes(inputs, torch.Generator().manual_seed(0)),
}


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
@pytest.mark.parametrize("name", ["places", "energies"])
def test_inference_mode_changes_nothing(name, axes, network, batch):
    signature = SIGNATURES[name]
    model, data = network("gnn", signature, channels=8, layers=1), batch(signature)
    measure = lambda data: lie_terms(model, data, signature, axes(data.inputs), mse_loss)  # noqa: E731
    with torch.inference_mode():
        inside = measure(Batch({n: x.clone() for n, x in data.inputs.items()}, data.targets))
    assert_close(inside, measure(data))


def test_an_energy_has_gradients_where_its_inputs_are_of_inference_mode(network, batch):
    signature = SIGNATURES["energies"]
    model, data = network("gnn", signature, channels=8, layers=1), batch(signature)
    with torch.inference_mode():
        copies = Batch({n: x.clone() for n, x in data.inputs.items()}, data.targets)
        axes = random_axes(copies.inputs, torch.Generator().manual_seed(0))
    found, wanted = (
        gradients(lie_terms(model, each, signature, axes, mse_loss)["equivariance"], model)
        for each in (copies, data)
    )
    assert_close(found, wanted)


@pytest.mark.slow
def test_it_trains_a_network_to_be_equivariant(vectors, generator):
    """On a linear map: what is left of it is a multiple of the identity."""
    linear = nn.Linear(3, 3, bias=False, dtype=torch.float64)
    signature, inputs = Signature({"v": VECTOR}, {"y": VECTOR}), {"v": vectors["v"]}
    nn.init.normal_(linear.weight, generator=generator)
    optimiser = torch.optim.Adam(linear.parameters(), lr=0.1)
    for _ in range(100):
        axes = random_axes(inputs, generator)
        data = Batch(inputs, {"y": inputs["v"]})
        model = lambda x: {"y": linear(x["v"])}  # noqa: E731
        loss = lie_terms(model, data, signature, axes, mse_loss, ["equivariance"])["equivariance"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    scale = linear.weight.detach().trace() / 3
    assert_close(linear.weight.detach(), scale * torch.eye(3).double(), rtol=0, atol=1e-2)

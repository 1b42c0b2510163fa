"""Hidden features by layer, pooled embeddings, and the transform that is learned of them."""

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss
from torch.testing import assert_close

from remul import (
    POINT,
    SCALAR,
    SO3,
    VECTOR,
    Batch,
    Element,
    Permutation,
    Signature,
    groups,
    hidden_features,
    latent_terms,
    latent_transform,
    loss_terms,
    pooled_embedding,
)

TYPES = {"mass": SCALAR, "position": POINT, "velocity": VECTOR}
SIGNATURE = Signature(TYPES, {"position": POINT})


@pytest.fixture
def inputs(draw):
    return {name: draw(5, 4, rep.dim) for name, rep in TYPES.items()}


@pytest.mark.parametrize(
    ("name", "layers"), [("transformer", "blocks"), ("gnn", "layers"), ("egnn", "layers")]
)
def test_features_are_those_of_each_layer(name, layers, network, inputs):
    model = network(name, SIGNATURE, channels=8, layers=2)
    outputs, features = hidden_features(model, inputs)
    assert list(features) == [f"{layers}.0", f"{layers}.1"]
    assert_close(outputs, model(inputs))


def test_what_a_layer_puts_out_is_joined(network, inputs):
    """EGNN's layers put out features and places."""
    features = hidden_features(network("egnn", SIGNATURE, channels=8, layers=1), inputs)[1]
    assert features["layers.0"].shape == (5, 4, 8 + 3)


def test_no_hook_is_left(network, inputs):
    model = network("gnn", SIGNATURE, channels=8, layers=1)
    hidden_features(model, inputs)
    assert not any(module._forward_hooks for module in model.modules())


def test_a_model_may_take_fields_out_of_what_it_is_given(inputs):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Identity()])

        def forward(self, fields):
            return {"position": self.layers[0](fields.pop("position"))}

    hidden_features(Net(), inputs)
    assert inputs.keys() == TYPES.keys()


def test_a_model_without_layers_is_refused(inputs):
    with pytest.raises(ValueError, match="no layers are known"):
        hidden_features(nn.Identity(), inputs)


def test_layers_that_hold_several_times_at_once_are_refused(network, inputs):
    with pytest.raises(ValueError, match="puts out no features"):
        hidden_features(network("egno", SIGNATURE, channels=8, layers=1), inputs)


def test_padded_objects_are_not_pooled(network, inputs):
    model = network("transformer", SIGNATURE, channels=8, layers=2)
    mask = torch.ones(5, 4, 1, dtype=torch.float64)
    mask[:, 3] = 0
    padded = {n: x.where(mask.bool(), torch.nan) for n, x in inputs.items()} | {"mask": mask}
    short = {name: x[:, :3] for name, x in inputs.items()}
    assert_close(pooled_embedding(model, padded)[1], pooled_embedding(model, short)[1])


def test_the_fit_is_that_of_the_other_losses(network, inputs, generator):
    model = network("gnn", SIGNATURE, channels=8, layers=1)
    batch, g = Batch(inputs, {"position": inputs["velocity"]}), SO3.sample(inputs, generator)
    learned = latent_transform(8).double()
    fit = latent_terms(model, learned, batch, SIGNATURE, g, mse_loss)["fit"]
    assert_close(fit, loss_terms(model, batch, SIGNATURE, None, mse_loss, ["fit"])["fit"])


def test_an_invariant_embedding_needs_no_transform(network, inputs, generator):
    model = network("egnn", SIGNATURE, channels=8, layers=1)
    model.layers[0].forward = lambda h, x, v, edges: (h, torch.zeros_like(x))
    batch, g = Batch(inputs, {"position": inputs["velocity"]}), SO3.sample(inputs, generator)
    terms = latent_terms(model, lambda z, g: z, batch, SIGNATURE, g, mse_loss)
    assert terms["equivariance"] < 1e-24


def test_a_sample_of_padding_alone_has_an_embedding_of_zero(network, inputs, generator):
    model = network("gnn", SIGNATURE, channels=8, layers=1)
    mask = torch.ones(5, 4, 1, dtype=torch.float64)
    mask[0] = 0
    batch = Batch(inputs | {"mask": mask}, {"position": inputs["velocity"]})
    assert pooled_embedding(model, batch.inputs)[1][0].abs().max() == 0
    g, learned = SO3.sample(inputs, generator), latent_transform(8).double()
    terms = latent_terms(model, learned, batch, SIGNATURE, g, mse_loss)
    assert terms["equivariance"].isfinite()


ELEMENTS = {
    "one for all": (groups.octahedral.elements()[3], "5 samples need as many rotations, got 1"),
    "a group": (SO3, r"needed \(Element\).*got a Group"),
    "permutations": (Permutation(torch.tensor([[1, 0, 2, 3]] * 5)), "Permutation"),
}


@pytest.mark.parametrize(("g", "message"), ELEMENTS.values(), ids=ELEMENTS)
def test_other_elements_are_refused(g, message, network, inputs):
    model = network("gnn", SIGNATURE, channels=8, layers=1)
    batch = Batch(inputs, {"position": inputs["velocity"]})
    with pytest.raises(ValueError, match=message):
        latent_terms(model, latent_transform(8).double(), batch, SIGNATURE, g, mse_loss)


def test_rotations_are_sent_as_elements_are(inputs, generator, monkeypatch):
    """From memory that a GPU reads while this process goes on."""
    sent = []
    monkeypatch.setattr(Element, "to", lambda g, device: sent.append(device) or g)
    z = torch.zeros(5, 8)
    latent_transform(8)(z, SO3.sample(inputs, generator))
    assert sent == [z.device]

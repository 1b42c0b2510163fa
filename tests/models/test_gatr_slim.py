"""The Transformer of scalars and vectors against slow references."""

import pytest
import torch
from torch.testing import assert_close

from models import gatr_slim
from models.gatr_slim import MLP, Attention, normalise
from models.layers.vector_mlp import Sizes
from remul import POINT, SCALAR, VECTOR, Signature

SIZES, HEADS = Sizes(4, 2), 2
TYPES = {"mass": SCALAR, "position": POINT, "velocity": VECTOR}
SIGNATURE = Signature(TYPES, {"position": POINT})


def count(model):
    return sum(weight.numel() for weight in model.parameters())


def by_kind(x):
    """Scalars and vectors of rows of features, vectors (k, channels, 3)."""
    return x[:, :4], x[:, 4:].unflatten(1, (3, 2)).mT


def mapped(layer, s, v):
    """What a linear map makes of scalars and of vectors, (k, channels, 3)."""
    return layer.scalars(s), torch.einsum("kvx,vw->kwx", v, layer.vectors.weight)


def test_logits_are_inner_products_of_scalars_and_vectors(draw):
    layer, x = Attention(SIZES, HEADS).double(), draw(3, 10)
    s, v = mapped(layer.project, *by_kind(x))
    s, v = (
        s.view(3, 3, HEADS, 2),
        v.view(3, 3, HEADS, 1, 3),
    )  # (k, q or k or v, head, channels, ...)
    scalars, vectors = torch.zeros(3, HEADS, 2).double(), torch.zeros(3, HEADS, 1, 3).double()
    for i in range(3):
        for head in range(HEADS):
            (qs, _, _), (qv, _, _) = s[i, :, head], v[i, :, head]
            logits = s[:, 1, head] @ qs + (v[:, 1, head] * qv).sum((1, 2))
            weights = (logits / (2 + 3) ** 0.5).softmax(0)
            scalars[i, head] = weights @ s[:, 2, head]
            vectors[i, head] = torch.einsum("j,jvx->vx", weights, v[:, 2, head])
    expected = mapped(layer.join_heads, scalars.flatten(1), vectors.flatten(1, 2))
    assert_close(by_kind(layer(x, torch.Size([1, 3]), None)), expected)


def test_the_mlp_multiplies_vectors_and_gates_them(draw):
    layer, x = MLP(SIZES, SIZES).double(), draw(3, 10)
    s, v = by_kind(x)
    wide = torch.einsum("kvx,vw->kwx", v, layer.expand_vectors.weight)
    left, right, moved = wide.split([2, 2, 4], 1)
    h = torch.cat([s, (left * right).sum(-1)], 1)
    h = torch.nn.functional.gelu(layer.expand_scalars(h))
    expected = mapped(layer.reduce, h, h[:, -4:, None] * moved)
    assert_close(by_kind(layer(x)), expected)


def test_one_norm_holds_scalars_and_vectors(draw):
    x = 100 * draw(3, 10)
    expected = x / x.square().mean(1, keepdim=True).sqrt()
    assert_close(normalise(x), expected, rtol=1e-4, atol=0)


def test_an_object_alone_knows_the_angle_of_its_vectors(network):
    signature = Signature({"spin": VECTOR, "axis": VECTOR}, {"energy": SCALAR})
    model = network("gatr_slim", signature, channels=8, layers=1)
    spin = torch.tensor([[[1.0, 0, 0]]]).double()
    along, across = (model({"spin": spin, "axis": spin.roll(k, -1)})["energy"] for k in (0, 1))
    assert (along - across).abs().item() > 1e-6


def test_without_vectors_it_holds_none(network):
    model = network("gatr_slim", Signature({"mass": SCALAR}, {"energy": SCALAR}), channels=8)
    assert model.sizes == Sizes(8, 0)


def test_the_default_is_as_large_as_the_transformer(network):
    sizes = [count(network(name, SIGNATURE)) for name in ("gatr_slim", "transformer")]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)


@pytest.mark.parametrize("hparams", [{"channels": 6}, {"vectors": 3}, {"heads": 0}, {"layers": 0}])
def test_sizes_without_sense_are_refused(hparams):
    with pytest.raises(ValueError, match="gatr_slim needs layers and heads that divide channels"):
        gatr_slim.build(SIGNATURE, **hparams)

"""Tensor products against explicit Clebsch-Gordan sums; the networks that are made of them."""

from itertools import product

import pytest
import torch
from e3nn import o3
from torch.testing import assert_close

from models.layers.neighbours import find_all_edges
from models.layers.tensor_products import Coupling
from remul import E3, POINT, SCALAR, VECTOR, Rep, Signature, act, equivariance_error

BODIES = {"charge": SCALAR, "position": POINT, "velocity": VECTOR}
SIGNATURE = Signature(BODIES, {"position": POINT, "energy": SCALAR})
SHAPES = {"charge": SCALAR, "position": POINT, "shape": Rep("2e")}
EVERY_L = Signature(SHAPES, SHAPES)  # so that features of each l come in and are used
MODELS = {"tfn": {}, "se3_transformer": {"heads": 2}}

every_model = pytest.mark.parametrize("name", MODELS)


def bodies(draw, objects=5):
    return {name: draw(2, objects, rep.dim) for name, rep in BODIES.items()}


def hidden(draw, degree, objects=5, channels=4):
    return [draw(2, objects, 2 * a + 1, channels) for a in range(degree + 1)]


def embed_edges(coupling, x):
    return coupling.embed(find_all_edges({"position": x}, {"position": POINT}, x))


def slow_product(f, edge_vectors, a, b, c):
    """A feature of degree a times the harmonic b of a pair, term by term, to degree c."""
    length = (edge_vectors.square().sum(-1, keepdim=True) + 1e-12).sqrt()
    y = o3.spherical_harmonics(b, edge_vectors / -length, False, normalization="component")
    table = (2 * c + 1) ** 0.5 * o3.wigner_3j(b, a, c, dtype=torch.float64)
    out = torch.zeros(*f.shape[:3], 2 * c + 1, f.shape[-1], dtype=torch.float64)
    for v, u, w in product(*(range(2 * degree + 1) for degree in (b, a, c))):
        out[..., w, :] += table[v, u, w] * y[..., v, None] * f[..., u, :]
    return out


def slow_keys(messages, edge_vectors):
    """All products of pairs, by c: (batch, n, n, 2 c + 1, paths * channels)."""
    degrees = range(len(messages))
    return [
        torch.cat(
            [
                slow_product(messages[a], edge_vectors, a, b, c)
                for a in degrees
                for b in degrees
                if abs(a - c) <= b <= a + c and (a + b + c) % 2 == 0
            ],
            -1,
        )
        for c in degrees
    ]


@pytest.mark.parametrize("degree", [1, 2, 4])
def test_products_are_explicit_clebsch_gordan_sums(degree, draw):
    coupling, x = Coupling(degree), draw(2, 3, 3)
    embedding = embed_edges(coupling, x)
    messages = [draw(2, 3, 3, 2 * a + 1, 2) for a in range(degree + 1)]
    sums = [torch.cat(parts, -1) for parts in coupling.aggregate(messages, embedding)]
    expected = [keys.sum(2) for keys in slow_keys(messages, embedding.edges.vectors)]
    assert_close(sums, expected, rtol=1e-12, atol=1e-12)


def test_messages_of_tfn_are_means_of_explicit_sums(draw, network):
    model = network("tfn", EVERY_L, channels=4, layers=1)
    h, x = hidden(draw, 2), draw(2, 5, 3)
    edges = find_all_edges({"position": x}, {"position": POINT}, x)
    embedding = model.coupling.embed(edges, edges.mean_weights)
    radial = model.layers[0].radial(embedding.radial).chunk(3, -1)
    messages = [r.unsqueeze(3) * part[:, None] for r, part in zip(radial, h, strict=True)]
    keys = slow_keys(messages, edges.vectors)
    means = [(edges.mean_weights.unsqueeze(3) * k).sum(2) for k in keys]
    assert_close(model.layers[0].messages(h, embedding), means, rtol=1e-12, atol=1e-12)


def test_attention_is_the_softmax_of_queries_with_explicit_keys(draw, network):
    model = network("se3_transformer", EVERY_L, channels=4, layers=1, heads=1)
    attention, h = model.layers[0].attention, hidden(draw, 2)
    embedding = embed_edges(model.coupling, draw(2, 5, 3))
    messages = [draw(2, 5, 5, 2 * a + 1, 2) for a in range(3)]
    keys = slow_keys(messages, embedding.edges.vectors)
    queries = [query(part) for query, part in zip(attention.query, h, strict=True)]
    logits = sum(
        (q[:, :, None] * k).sum((-1, -2), keepdim=True) for q, k in zip(queries, keys, strict=True)
    ).squeeze(-1)
    terms = sum(k[0, 0, 0].numel() for k in keys)
    expected = logits / terms**0.5
    expected = expected.masked_fill(embedding.edges.mean_weights == 0, -torch.inf).softmax(2)
    assert_close(attention.weights(h, messages, embedding), expected, rtol=1e-12, atol=1e-12)


def attended(model, inputs):
    """What the last layer attends to, (batch, n, n, heads)."""
    attention, found = model.layers[-1].attention, []
    weights = type(attention).weights

    def kept(*args):
        found.append(weights(attention, *args))
        return found[-1]

    attention.weights = kept
    model(inputs)
    return found[-1]


def test_attention_does_not_change_under_motions(draw, generator, network):
    model, inputs = network("se3_transformer", SIGNATURE, channels=8, layers=2), bodies(draw)
    moved = act(E3.sample(inputs, generator), inputs, BODIES)
    assert_close(attended(model, moved), attended(model, inputs), rtol=1e-12, atol=1e-12)


def test_attention_is_a_mean_over_the_real_others(draw, network):
    mask = torch.tensor([1.0, 1, 1, 0, 1]).view(1, 5, 1).expand(2, 5, 1).double()
    model = network("se3_transformer", SIGNATURE, channels=8, layers=1)
    weights = attended(model, bodies(draw) | {"mask": mask})
    others = (1 - torch.eye(5)) * torch.tensor([1.0, 1, 1, 0, 1])
    assert ((weights > 0) == (others[..., None] > 0)).all()


@pytest.mark.parametrize("neighbours", [None, 2])
@pytest.mark.parametrize("degree", [3, 4])
@every_model
def test_networks_are_exact_at_high_degrees(name, degree, neighbours, draw, generator, network):
    types = BODIES | {"odd": Rep(f"2x{degree}{'eo'[degree % 2]}")}
    hparams = {"channels": 4, "layers": 2, "degree": degree, "neighbours": neighbours}
    model = network(name, Signature(types, types), **hparams, **MODELS[name])
    inputs = bodies(draw) | {"odd": draw(2, 5, types["odd"].dim)}
    g = E3.sample(inputs, generator)
    assert equivariance_error(model, inputs, Signature(types, types), g).max() < 1e-12


@every_model
def test_only_the_nearest_neighbours_send(name, draw, network):
    model = network(name, SIGNATURE, channels=4, layers=1, neighbours=2, **MODELS[name])
    inputs = bodies(draw)
    inputs["position"][:, 4] += 100.0
    other = inputs | {"charge": inputs["charge"] + torch.eye(5)[4, :, None]}
    found, expected = model(other)["energy"], model(inputs)["energy"]
    assert_close(found[:, :4], expected[:, :4], rtol=1e-12, atol=1e-12)


def test_heads_need_not_divide_the_channels(draw, generator, network):
    model = network("se3_transformer", SIGNATURE, channels=7, layers=1, heads=2)
    inputs = bodies(draw)
    g = E3.sample(inputs, generator)
    assert equivariance_error(model, inputs, SIGNATURE, g).max() < 1e-12

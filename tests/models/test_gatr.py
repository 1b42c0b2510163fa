"""The algebra of the Geometric Algebra Transformer against sign counting, and what it claims."""

import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap
from torch.testing import assert_close

from models import gatr
from models.layers.geometric_algebra import (
    CHUNK,
    FEW,
    MAPS,
    distance_key,
    distance_query,
    linear_maps,
    multiply,
    product_factors,
)
from remul import E3, POINT, SCALAR, VECTOR, Signature, equivariance_error

SPACE = ["", "1", "2", "3", "23", "31", "12", "123"]
WORDS = [*SPACE, *("0" + word for word in SPACE)]  # of the components, in their order
TYPES = {"mass": SCALAR, "position": POINT, "velocity": VECTOR}
SIGNATURE = Signature(TYPES, {"position": POINT})


def sorted_word(word):
    """The sign and the ascending letters of a product of generators; e0 e0 = 0, others 1."""
    sign, letters = 1, list(word)
    for end in range(len(letters), 1, -1):
        for i in range(end - 1):
            if letters[i] > letters[i + 1]:
                letters[i : i + 2], sign = [letters[i + 1], letters[i]], -sign
    for letter in sorted(set(letters)):
        if letters.count(letter) == 2:
            letters, sign = [x for x in letters if x != letter], 0 if letter == "0" else sign
    return sign, "".join(letters)


PLACES = {sorted_word(word)[1]: (i, sorted_word(word)[0]) for i, word in enumerate(WORDS)}


def table(product):
    """(left, right, result) of a product of words with a sign, all from sign counting."""
    found = torch.zeros(16, 16, 16, dtype=torch.float64)
    for i, a in enumerate(WORDS):
        for j, b in enumerate(WORDS):
            sign, word = product(a, b)
            place, sign_there = PLACES[word]
            found[i, j, place] = sign * sign_there
    return found


def wedge(a, b):
    return (0, "") if set(a) & set(b) else sorted_word(a + b)


GEOMETRIC = table(lambda a, b: sorted_word(a + b))
WEDGE = table(wedge)
DUAL = WEDGE[:, :, WORDS.index("0123")].mT  # a wedge dual(a) is e0123
JOIN = torch.einsum("ai,bj,abk,kl->ijl", DUAL, DUAL, WEDGE, DUAL)


def apply(product, a, b):
    """Product 0, geometric, or 1, join, of multivectors (16,)."""
    factors = [factor.double() for factor in product_factors()]
    return multiply(*factors, *(x.expand(2, -1)[..., None] for x in (a, b)))[product, :, 0]


@pytest.mark.parametrize(("product", "expected"), [(0, GEOMETRIC), (1, JOIN)], ids=["geo", "join"])
def test_products_are_those_of_sign_counting(product, expected, draw):
    a, b = draw(16), draw(16)
    found = apply(product, a, b)
    assert_close(found, torch.einsum("i,j,ijk->k", a, b, expected), rtol=1e-12, atol=1e-12)


def point(place):
    x = torch.zeros(16, dtype=torch.float64)
    x[WORDS.index("123")] = 1
    x[12:15] = place
    return x


def test_the_join_of_two_points_is_the_line_between_them(draw):
    start, end = draw(3), draw(3)
    line = apply(1, point(start), point(end))
    assert_close(line[4:7].abs(), (end - start).abs(), rtol=1e-12, atol=1e-12)


def motion(draw, mirrors):
    """A product of reflections in planes acting on multivectors by parity, (2 * 16, 2 * 16).

    Even multivectors go to u x / u and odd ones to that times the sign of the reflections; their
    components with e0 are kept under the other parity.
    """
    acting = torch.eye(16, dtype=torch.float64)
    for _ in range(mirrors):
        normal = draw(3)
        plane = torch.zeros(16, dtype=torch.float64)
        plane[1:4], plane[8] = normal / normal.norm(), draw(())
        acting = acting @ torch.einsum("i,l,ijk,klm->mj", plane, plane, GEOMETRIC, GEOMETRIC)
    whole = torch.zeros(2, 16, 2, 16, dtype=torch.float64)
    for odd in range(2):
        rows = torch.arange(16)
        parity = (rows // 8 + odd) % 2
        sign = (-1) ** (odd * mirrors)
        whole[parity[:, None], rows[:, None], parity, rows] = sign * acting
    return whole.view(32, 32)


@pytest.mark.parametrize("mirrors", [1, 2, 3])
def test_linear_maps_commute_with_motions(mirrors, draw):
    g = motion(draw, mirrors)
    maps = torch.zeros(MAPS, 2, 2, 8, 2, 2, 8, dtype=torch.float64)
    for parity in range(2):
        for blade in range(8):
            found = linear_maps()[blade, :, :, parity].double()  # (e0 in, e0 out, map)
            maps[:, parity, :, blade, parity, :, blade] = found.permute(2, 1, 0)
    maps = maps.view(MAPS, 32, 32)
    assert_close(g @ maps, maps @ g, rtol=1e-12, atol=1e-12)


def test_linear_maps_are_independent():
    assert torch.linalg.matrix_rank(linear_maps().view(-1, MAPS)) == MAPS


@pytest.mark.parametrize("mirrors", [1, 2, 3])
@pytest.mark.parametrize("product", [0, 1])
def test_products_commute_with_motions_and_reflections(product, mirrors, draw):
    g, a, b = motion(draw, mirrors), draw(2, 16), draw(2, 16)

    def by_parity(a, b):
        total = apply(product, a[0] + a[1], b[0] + b[1])
        apart = apply(product, a[0] - a[1], b[0] - b[1])
        return torch.stack([total + apart, total - apart]) / 2

    def moved(x):
        return (g @ x.view(32)).view(2, 16)

    expected = moved(by_parity(a, b))
    assert_close(by_parity(moved(a), moved(b)), expected, rtol=1e-11, atol=1e-11)


def test_distance_terms_give_squared_distances(draw):
    places = draw(6, 3)
    terms = distance_query(torch.ones(1, 6, dtype=torch.float64), places.mT)  # (5, points)
    found = terms.mT @ distance_key(terms)
    expected = -torch.cdist(places, places).square() / 1.001**4
    assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, in its forward mode
def test_derivatives_of_products_are_right(draw):
    factors = [factor.double() for factor in product_factors()]
    a, b = draw(2, 16, 2).requires_grad_(), draw(2, 16, 2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, b: multiply(*factors, a, b), (a, b), check_forward_ad=True
    )


def test_many_columns_are_multiplied_as_few_are(draw):
    factors = [factor.double() for factor in product_factors()]
    a, b = draw(2, 16, CHUNK + 3), draw(2, 16, CHUNK + 3)
    last = multiply(*factors, a[..., -5:], b[..., -5:])
    assert_close(multiply(*factors, a, b)[..., -5:], last, rtol=1e-12, atol=1e-12)


def test_gradients_of_many_columns_are_those_of_few(draw):
    factors = [factor.double() for factor in product_factors()]
    a, b, along = draw(2, 16, FEW), draw(2, 16, FEW), draw(2, 16, FEW)

    def gradients(*inputs):
        a, b, along = (x.clone().requires_grad_() for x in inputs)
        return torch.autograd.grad((multiply(*factors, a, b) * along).sum(), (a, b))

    last = gradients(*(x[..., -5:] for x in (a, b, along)))
    found = [gradient[..., -5:] for gradient in gradients(a, b, along)]
    assert_close(found, [*last], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_default_dtype_of_one_build_does_not_stay_for_the_next(dtype):
    before = torch.get_default_dtype()
    linear_maps.cache_clear()
    try:
        for default in (torch.float64, torch.float32, dtype):
            torch.set_default_dtype(default)
            model = gatr.build(SIGNATURE, channels=8, layers=1)
        inputs = {name: torch.ones(2, 4, rep.dim) for name, rep in TYPES.items()}
        assert model(inputs)["position"].dtype == dtype
    finally:
        torch.set_default_dtype(before)


def test_many_networks_run_as_one_under_vmap(draw):
    models = [gatr.build(SIGNATURE, channels=8, layers=1).double() for _ in range(3)]
    state = stack_module_state(models)
    inputs = {name: draw(2, 4, rep.dim) for name, rep in TYPES.items()}

    def run(*state):
        return functional_call(models[0], state, (inputs,))["position"]

    expected = torch.stack([model(inputs)["position"] for model in models])
    assert_close(vmap(run)(*state), expected, rtol=1e-12, atol=1e-12)


def test_the_size_is_near_that_of_the_authors_code():
    model = gatr.build(SIGNATURE, channels=64, multivectors=16, layers=4, heads=8)
    authors = 370_226  # those without effect on the outputs included, which are not built here
    assert sum(weight.numel() for weight in model.parameters()) == pytest.approx(authors, rel=0.35)


def test_an_odd_number_of_multivectors_is_refused():
    with pytest.raises(ValueError, match="even number of multivectors, got 5"):
        gatr.build(SIGNATURE, multivectors=5)


def test_training_keeps_the_error_at_the_floor_of_float32(draw, generator):
    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        model = gatr.build(SIGNATURE, channels=16, layers=2)
    inputs = {name: draw(8, 5, rep.dim).float() for name, rep in TYPES.items()}
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(30):
        optimiser.zero_grad()
        (model(inputs)["position"] - 2 * inputs["position"]).square().mean().backward()
        optimiser.step()
    error = equivariance_error(model, inputs, SIGNATURE, E3.sample(inputs, generator))
    assert error.max() < 1e-5


def test_attention_takes_queries_that_autocast_has_summed_in_another_precision(monkeypatch):
    model = gatr.build(SIGNATURE)
    x = {
        "mass": torch.ones(2, 3, 1),
        "position": torch.randn(2, 3, 3),
        "velocity": torch.randn(2, 3, 3),
    }
    expected, split = model(x)["position"], gatr.Attention.split_heads

    def as_on_a_gpu(self, *rows):
        q, k, v = split(self, *rows)
        return q.double(), k.double(), v

    monkeypatch.setattr(gatr.Attention, "split_heads", as_on_a_gpu)
    assert_close(model(x)["position"], expected)

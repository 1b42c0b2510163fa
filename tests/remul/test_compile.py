"""Actions, losses, errors and wrappers under `torch.compile`; losses and errors under vmap."""

import pytest
import torch
from forms import draw_forms, network
from torch.nn.functional import mse_loss
from torch.testing import assert_close

import remul
from models import gnn
from remul import POINT, SCALAR, VECTOR, Batch, Element, Rep, Signature

pytestmark = pytest.mark.system
SIGNATURE = Signature(
    {"mass": SCALAR, "position": POINT, "velocity": VECTOR}, {"position": POINT, "shape": Rep("2e")}
)
CALLS = {
    "act": lambda f, x, y, g: remul.act(g, x, SIGNATURE.inputs),
    "loss_terms": lambda f, x, y, g: remul.loss_terms(f, Batch(x, y), SIGNATURE, g, mse_loss),
    "consistency_loss": lambda f, x, y, g: remul.consistency_loss(f, x, SIGNATURE, g, mse_loss),
    "equivariance_error": lambda f, x, y, g: remul.equivariance_error(f, x, SIGNATURE, g),
    "expected_error": lambda f, x, y, g: remul.expected_error(f, x, SIGNATURE, [g, g]),
    "frame_average": lambda f, x, y, g: remul.frame_average(f, SIGNATURE)(x),
}
QUICK = ["act", "loss_terms", "consistency_loss", "expected_error", "frame_average"]


@pytest.fixture
def model():
    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        return gnn.build(SIGNATURE, channels=8, layers=1)


def draw_fields(types, generator):
    return {n: torch.randn(3, 4, rep.dim, generator=generator) for n, rep in types.items()}


@pytest.mark.filterwarnings("ignore::UserWarning")  # of the compiler, where it breaks a graph
@pytest.mark.parametrize("name", QUICK)
def test_compiled_calls_give_what_eager_ones_do(name, model, generator):
    x, y = (draw_fields(types, generator) for types in (SIGNATURE.inputs, SIGNATURE.outputs))
    g = remul.SO3.sample(x, generator)
    torch.compiler.reset()
    compiled = torch.compile(CALLS[name], backend="eager")(model, x, y, g)
    assert_close(compiled, CALLS[name](model, x, y, g))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_compiled_calls_take_ragged_samples(generator):
    form = draw_forms((3, 1, 2), generator)[1]
    g = remul.SO3.sample(form.inputs, generator)

    def loss(inputs):
        batch = Batch(inputs, form.batch.targets)
        return remul.loss_terms(network, batch, form.signature, g, mse_loss)

    torch.compiler.reset()
    assert_close(torch.compile(loss, backend="eager")(form.inputs), loss(form.inputs))


@pytest.mark.parametrize("name", ["loss_terms", "equivariance_error", "expected_error"])
def test_calls_under_vmap_are_those_of_each_sample(name, model, generator):
    x, y = (draw_fields(types, generator) for types in (SIGNATURE.inputs, SIGNATURE.outputs))
    g = remul.SO3.sample({"one": torch.zeros(1, 1)}, generator)

    def call(x, y):
        alone = ({n: v[None] for n, v in fields.items()} for fields in (x, y))
        return CALLS[name](model, *alone, Element(g.rotation, g.translation))

    first = call({n: v[0] for n, v in x.items()}, {n: v[0] for n, v in y.items()})
    every = torch.func.vmap(call)(x, y)
    if not isinstance(every, dict):
        first, every = {"": first}, {"": every}
    assert_close({n: v[0] for n, v in every.items()}, first)

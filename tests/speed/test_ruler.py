"""Our Transformer against the ruler, a plain one of its size: `tox run -e speed`."""

from statistics import median

import pytest
import torch
from ruler import SIZE, Ruler

from bench.core import plugins
from bench.timing.samples import measure_functions
from remul import POINT, SCALAR, VECTOR, Signature

INPUTS = {"charge": SCALAR, "position": POINT, "velocity": VECTOR}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def built(build):
    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        return build()


def transformer():
    return plugins.load("models", "transformer").build(Signature(INPUTS, {"force": VECTOR}))


def inference(model, fields):
    with torch.inference_mode():
        model(fields)


def training(model, fields):
    model.zero_grad()
    model(fields)["force"].square().mean().backward()


def ratio(slower, faster, rounds=30):
    """Median over rounds of the quotient of interleaved times."""
    timings = measure_functions({"slower": slower, "faster": faster}, rounds)
    pairs = zip(timings["slower"].samples_ms, timings["faster"].samples_ms, strict=True)
    return median(a / b for a, b in pairs)


def test_the_ruler_has_the_size_it_says():
    assert sum(weight.numel() for weight in built(Ruler).parameters()) == SIZE


@pytest.mark.parametrize("call", [inference, training])
@pytest.mark.parametrize(("objects", "batch"), [(5, 128), (20, 32)])
def test_the_transformer_takes_at_most_1_05_of_the_ruler(
    call, objects, batch, generator, benchmark
):
    fields = {n: torch.randn(batch, objects, r.dim, generator=generator) for n, r in INPUTS.items()}
    ours, ruler = built(transformer), built(Ruler)
    benchmark.pedantic(call, (ours, fields))
    if benchmark.enabled:
        assert ratio(lambda: call(ours, fields), lambda: call(ruler, fields)) <= 1.05

"""EGNO: its convolution over time against Fourier transforms, and its copies of the graph."""

import pytest
import torch
from torch.testing import assert_close

from models import egno
from models.layers.neighbours import find_edges
from remul import POINT, SCALAR, Signature

TYPES = {"charge": SCALAR, "position": POINT}
SIGNATURE = Signature(TYPES, {"position": POINT, "energy": SCALAR})


@pytest.mark.parametrize(("times", "modes"), [(8, 2), (7, 4), (1, 1)])
def test_the_convolution_multiplies_the_lowest_modes(times, modes, draw):
    layer = egno.TemporalConvolution(3, times, modes).double()
    x, weights = draw(times, 5, 3), layer.even.to(torch.complex128)
    weights = weights - 1j * torch.cat([torch.zeros_like(layer.even[:1]), layer.odd])
    spectrum = torch.fft.rfft(x, dim=0)
    spectrum = torch.cat([spectrum[:modes] @ weights, torch.zeros_like(spectrum[modes:])])
    assert_close(layer(x), torch.fft.irfft(spectrum, n=times, dim=0) / 2)


def test_it_knows_no_first_time(draw):
    layer, x = egno.TemporalConvolution(3, 8, 2).double(), draw(8, 5, 3)
    assert_close(layer(x.roll(3, 0)), layer(x).roll(3, 0))


@pytest.mark.parametrize("ragged", [False, True])
def test_copies_of_a_graph_do_not_meet(ragged, draw):
    inputs = {name: draw(2, 5, rep.dim) for name, rep in TYPES.items()}
    if ragged:
        inputs = {name: x.flatten(0, 1) for name, x in inputs.items()}
        inputs["batch"] = torch.arange(2).repeat_interleave(5)
    x = inputs["position"].view((1, 10, 3) if ragged else (2, 5, 3))
    edges = find_edges(inputs, TYPES, x)
    copies, values = edges.repeat(3), draw(3, *x.shape)
    apart = [edges.aggregate(edges.mean_weights, edges.subtract(each)) for each in values]
    together = copies.aggregate(copies.mean_weights, copies.subtract(values.flatten(0, 1)))
    assert_close(together, torch.cat(apart))


def test_the_times_differ(network, draw):
    inputs = {name: draw(2, 5, rep.dim) for name, rep in TYPES.items()}
    model = network("egno", SIGNATURE, channels=8, layers=2)
    before = model(inputs)
    with torch.no_grad():
        model.time[0] += 1
    assert (model(inputs)["position"] - before["position"]).abs().max() > 1e-8


@pytest.mark.parametrize(
    ("options", "message"),
    [({"times": 4, "modes": 3}, "at most 2 modes of 4 times, not 3"), ({"layers": 0}, "one layer")],
)
def test_what_has_no_time_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        egno.build(SIGNATURE, **options)

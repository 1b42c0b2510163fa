"""Counters: exact, the same on every machine, and no larger than in the committed reference."""

import pytest
import torch
from msgspec.structs import replace
from torch.nn.functional import scaled_dot_product_attention

from bench.core import plugins
from bench.records.machine_facts import MachineFacts
from bench.regression import compare, reference
from bench.system.checkout import ROOT
from bench.timing import closures, counters

pytestmark = pytest.mark.slow  # every network

REFERENCE = ROOT / "results" / "published" / "reference.json"
CELLS = {record.cell.model.name: record for record in compare.read_records(REFERENCE).values()}


def counted(function):
    return counters.count(torch.nn.Linear(3, 2), function)


def test_peak_bytes_are_those_alive_at_once():
    def function():
        x = torch.zeros(1000)
        y = x + 1
        del x
        z = y + 1
        del y
        return z[3:].sum()

    assert counted(function)["peak_bytes"] == 8000


def test_a_storage_counts_until_autograd_lets_it_go():
    def function():
        x = torch.zeros(1000, requires_grad=True)
        for _ in range(5):
            x = x.sin()
        return x

    assert counted(function)["peak_bytes"] >= 6 * 4000


def test_views_move_no_bytes():
    x = torch.zeros(10, 10)
    assert counted(lambda: x.mT)["moved_bytes"] == 0


def test_attention_has_its_flops():
    q = torch.zeros(2, 3, 5, 8)
    found = counted(lambda: scaled_dot_product_attention(q, q, q))
    assert found["flops"] == 2 * (2 * 2 * 3 * 5 * 5 * 8)


def test_a_planted_operation_is_seen(monkeypatch):
    record = CELLS["transformer"]
    forward = plugins.load("models", "transformer").Transformer.forward

    def slower(self, inputs):
        return {name: x + 0 for name, x in forward(self, inputs).items()}

    monkeypatch.setattr(plugins.load("models", "transformer").Transformer, "forward", slower)
    assert gated("transformer", record).verdict == "regressed"


@pytest.mark.parametrize("model", sorted(CELLS))
def test_counters_do_not_exceed_the_reference(model):
    found = gated(model, CELLS[model])
    assert found.verdict != "regressed", f"{found.why}; if meant: python -m bench check --update"


def gated(model, record):
    """The finding on the counters of today's code."""
    counts = closures.count_run(record.cell.run("train_step"), "cpu")
    machine = MachineFacts(torch=str(torch.__version__))
    here = replace(record, counters=counts, machine=machine)
    found = compare.judge_counters(model, record, here)
    if found.verdict == "incomparable":
        pytest.skip(found.why)
    return found


def test_every_network_is_in_the_reference():
    assert [cell.model.name for cell in reference.list_cases(plugins.networks())] == sorted(CELLS)

"""Optimisers: Adam to the bit as before, and others that step matrices as a whole."""

import json
from dataclasses import replace

import pytest
import torch
from e3nn import o3
from torch import nn
from torch.testing import assert_close

from bench import Plugin, Run
from bench.core import plugins
from bench.core.config import OPTIMISERS, canonical, run_from_plain, to_plain
from bench.core.keys import run_key
from bench.records import files
from bench.records.run_record import blank_record
from bench.reporting.aggregate import method_of
from bench.training.build import build
from bench.training.execute import execute
from bench.training.optimisers import BlockAdam, build_optimiser, find_blocks, spectral_norm

TASK = Plugin("nbody_gravity", {"train": 16, "val": 8, "test": 8, "ood": 8})
RUN = Run(TASK, Plugin("gnn", {"channels": 8, "layers": 1}), Plugin("plain"), steps=4, batch_size=8)
every_optimiser = pytest.mark.parametrize("name", OPTIMISERS)


@every_optimiser
def test_a_run_trains_by_it(name):
    run = replace(RUN, optimiser=name, lr=1e-3, elements=2)
    assert execute(run, "cpu", lambda step: None).record.status == "done"


@every_optimiser
def test_it_learns_a_linear_map(name):
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(0)
        model, x = nn.Linear(6, 4), torch.randn(64, 6)
        target = nn.Linear(6, 4)(x).detach()
    optimiser = build_optimiser(name, model, lr=0.02)
    losses = []
    for _ in range(150):
        loss = (model(x) - target).square().mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.1 * losses[0]


def test_every_weight_has_one_optimiser():
    _, model, _ = build(RUN, "cpu")
    groups = build_optimiser("muon", model, 1e-3).param_groups
    weights = [id(weight) for group in groups for weight in group["params"]]
    assert sorted(weights) == sorted(map(id, model.parameters()))


def test_records_and_keys_of_before_are_those_of_adam():
    assert "optimiser" not in canonical(RUN)
    assert "optimiser" not in to_plain(RUN)
    assert "optimiser" not in json.loads(files.as_text(blank_record(RUN)))["run"]


def test_another_optimiser_is_in_the_record_and_has_another_key():
    muon = replace(RUN, optimiser="muon")
    assert run_from_plain(to_plain(muon)) == muon
    assert json.loads(files.as_text(blank_record(muon)))["run"]["optimiser"] == "muon"
    assert run_key(muon) != run_key(RUN)


def test_tables_name_the_optimiser():
    assert method_of(replace(RUN, optimiser="muon")) == "plain + muon"


def test_an_unknown_optimiser_is_refused():
    with pytest.raises(ValueError, match="optimiser has to be one of adam"):
        replace(RUN, optimiser="sgd")


def test_the_spectral_norm_is_the_largest_singular_value(draw):
    matrix, vector = draw(8, 5), None
    for _ in range(20):
        norm, vector = spectral_norm(matrix, vector)
    assert_close(norm, torch.linalg.matrix_norm(matrix, 2))


def test_a_step_of_a_block_has_one_spectral_norm(draw):
    weight = nn.Parameter(draw(8, 7))
    before = weight.detach().clone()
    weight.grad = draw(8, 7)
    BlockAdam({weight: lambda u: u.split([3, 4], 1)}, lr=1e-2).step()
    norms = [torch.linalg.matrix_norm(b, 2) for b in (weight.detach() - before).split([3, 4], 1)]
    assert_close(
        torch.stack(norms), torch.full((2,), 1e-2 * 0.2 * 8**0.5).double(), rtol=1e-2, atol=0
    )


def test_a_steerable_map_has_a_block_for_each_path():
    task = plugins.load("tasks", "nbody_gravity").load(0, **TASK.kwargs)
    model = plugins.load("models", "segnn").build(task.signature, channels=8, layers=1)
    counts = [len(list(split(weight))) for weight, split in find_blocks(model).items()]
    assert max(counts) > 1


def test_a_map_of_e3nn_has_a_block_for_each_pair_of_irreps():
    linear = o3.Linear("4x0e + 3x1o", "2x0e + 5x1o")
    (split,) = find_blocks(linear).values()
    assert [block.shape for block in split(linear.weight)] == [(4, 2), (3, 5)]

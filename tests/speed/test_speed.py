"""Speed with pytest-benchmark: `tox run -e speed`. Disabled, each test runs once, for smoke."""

from dataclasses import replace
from statistics import median

import pytest
import torch

from bench.core import plugins
from bench.core.cases import SpeedCase
from bench.core.config import Plugin, Run
from bench.timing.closures import build_closure, build_closures
from bench.timing.samples import measure_functions
from bench.training.build import build
from bench.training.loop import train, trainer

TASK = Plugin("nbody_gravity", {"train": 100, "val": 1, "test": 8, "ood": 8})
TRANSFORMER = Plugin("transformer", {"channels": 64, "layers": 4, "heads": 4})
PLAIN = Run(TASK, TRANSFORMER, Plugin("plain"), steps=20, validations=1)
REMUL = replace(PLAIN, method=Plugin("remul"))
METHODS = {"plain": PLAIN, "augment": replace(PLAIN, method=Plugin("augment")), "remul": REMUL}


SIZES = [(5, 16), (20, 4)]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def timed(benchmark, group, function):
    benchmark.group = group
    benchmark.pedantic(function, rounds=30, warmup_rounds=5)


@pytest.mark.parametrize("model", plugins.networks())
@pytest.mark.parametrize(("nodes", "batch"), SIZES)
@pytest.mark.parametrize("kind", ["inference", "train_step"])
def test_speed_of(kind, nodes, batch, model, benchmark):
    one = SpeedCase(Plugin(model), nodes, batch).targets([kind])[kind]
    function = build_closure(one, "cpu")
    timed(benchmark, f"{kind}, {nodes} x {batch}, default sizes", function)


@pytest.mark.parametrize("method", METHODS)
def test_training_step_with(method, benchmark):
    step, _, _ = build_closures(METHODS[method], "cpu")
    timed(benchmark, "training step of the quick transformer", step)


def ratio(slower, faster, rounds):
    """Median over rounds of the quotient of interleaved times."""
    timings = measure_functions({"slower": slower, "faster": faster}, rounds)
    pairs = zip(timings["slower"].samples_ms, timings["faster"].samples_ms, strict=True)
    return median(a / b for a, b in pairs)


def test_a_remul_step_costs_at_most_2_1_plain_ones(benchmark):
    plain, remul = (build_closures(run, "cpu")[0] for run in (PLAIN, REMUL))
    benchmark.pedantic(remul)
    if benchmark.enabled:
        assert ratio(remul, plain, 60) <= 2.1


def test_the_training_loop_costs_under_5_percent(benchmark):
    task, model, method = build(PLAIN, "cpu")
    training = trainer(PLAIN, model, method)
    batch = task.train[: PLAIN.batch_size]

    def loop():
        train(PLAIN, task, model, method, lambda _: None)

    def bare():
        for _ in range(PLAIN.steps):
            training.step(batch)

    benchmark.pedantic(loop)
    if benchmark.enabled:
        assert ratio(loop, bare, 20) < 1.05

"""Steps as one CUDA graph: on a stand-in for it, and on a GPU where there is one."""

from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

from bench.core.cases import MODES
from bench.core.config import Plugin, Run
from bench.system import environment
from bench.timing.closures import build_closures
from bench.training import compilation, graphs, loop
from bench.training.build import build
from bench.training.execute import execute
from bench.training.loop import Trainer, train

RUN = Run(
    Plugin("nbody_gravity", {"train": 32, "val": 8, "test": 8, "ood": 8}),
    Plugin("transformer", {"channels": 16, "layers": 1, "heads": 2}),
    Plugin("remul", {"beta": 10.0}),
    steps=8,
    batch_size=8,
    validations=4,
)


def using(name, **options):
    return replace(RUN, method=Plugin(name, options))


def train_on(run, device, change=lambda method: method):
    """The weights after a run, its curve, and the lines that it tells."""
    task, model, method = build(run, device)
    said, method = [], change(method)
    train(run, task, model, method, said.append)
    lines = [message.text for message in said if hasattr(message, "text")]
    points = [{k: float(x) for k, x in point.items()} for point in method.penalty.points]
    return model.state_dict(), points, lines


@pytest.fixture
def graphed(monkeypatch):
    """Graphs asked for, and a stand-in that does at each replay what was done while it captured."""
    monkeypatch.setenv(environment.GRAPH, "1")
    monkeypatch.setattr(graphs, "explain_eager", lambda *_: None)
    stream = SimpleNamespace(wait_stream=lambda _: None)
    for name, value in (("Stream", lambda: stream), ("current_stream", lambda: stream)):
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", SimpleNamespace)
    captured, work = [], Trainer.work

    def record(trainer, batch, drawn, penalty=None):
        if penalty is None:
            return work(trainer, batch, drawn)
        before = deepcopy(trainer.state_dict())
        loss = work(trainer, batch, drawn, penalty)
        trainer.load_state_dict(before)
        captured.append(lambda: loss.copy_(work(trainer, batch, drawn, penalty)))
        return loss

    @contextmanager
    def capture(graph):
        yield
        graph.replay = captured[-1]

    monkeypatch.setattr(Trainer, "work", record)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    return captured


@pytest.mark.parametrize("name", ["plain", "augment", "remul"])
def test_replayed_steps_train_as_others_do(name, graphed, monkeypatch):
    weights = train_on(using(name), "cpu")[0]
    assert len(graphed) == 1
    monkeypatch.delenv(environment.GRAPH)
    assert_close(weights, train_on(using(name), "cpu")[0], rtol=0, atol=0)


def test_replayed_steps_may_be_compiled(graphed, monkeypatch):
    monkeypatch.setattr(compilation, "BACKEND", "aot_eager")
    weights = train_on(RUN, "cpu", compilation.compile_terms)[0]
    assert len(graphed) == 1
    monkeypatch.delenv(environment.GRAPH)
    assert_close(weights, train_on(RUN, "cpu")[0], rtol=1e-4, atol=1e-6)


def test_a_capture_that_fails_is_a_line_and_no_other_weights(graphed, monkeypatch):
    @contextmanager
    def capture(graph):
        raise RuntimeError("operation not permitted when stream is capturing\nCUDA kernel")
        yield

    monkeypatch.setattr(torch.cuda, "graph", capture)
    weights, points, lines = train_on(RUN, "cpu")
    assert [line.rpartition(": ")[2] for line in lines] == [
        "operation not permitted when stream is capturing"
    ]
    monkeypatch.delenv(environment.GRAPH)
    expected, curve, _ = train_on(RUN, "cpu")
    assert_close(weights, expected, rtol=0, atol=0)
    assert points == curve


REASONS = {
    "dual": "its penalty changes from step to step",
    "lie_penalty": "the method draws inside its terms",
    "remul": "the optimiser waits for the GPU",
}


@pytest.mark.parametrize("name", REASONS)
def test_a_step_that_is_no_graph_says_why(name):
    task, model, method = build(using(name), "cpu")
    optimiser = loop.trainer(RUN, model, method).optimiser
    if name != "remul":
        optimiser.param_groups[0]["capturable"] = True
    batch = SimpleNamespace(device=torch.device("cuda"), inputs=task.train.inputs)
    assert graphs.explain_eager(method, optimiser, batch) == REASONS[name]


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
@pytest.mark.parametrize("model", ["transformer", "egnn", "gatr", "se3_transformer"])
def test_a_graph_trains_as_eager_steps_do_on_a_gpu(model, precision, monkeypatch):
    run = replace(RUN, model=Plugin(model), precision=precision, steps=20)
    expected, curve, _ = train_on(run, "cuda")
    monkeypatch.setenv(environment.GRAPH, "1")
    weights, points, lines = train_on(run, "cuda")
    assert lines == []
    # Sums over edges have no order on a GPU: a gradient that is rounding turns its weight by lr.
    atol = 2 * run.lr if precision == "bf16" else 1e-5
    assert_close(weights, expected, rtol=1e-3, atol=atol)
    assert_close(points[-1]["fit"], curve[-1]["fit"], rtol=1e-2, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated")  # 2.11's compiler
@pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores")  # a hint of the compiler
@pytest.mark.parametrize("mode", MODES)
def test_a_step_in_any_mode_loses_as_an_eager_one_on_a_gpu(mode):
    steps = [build_closures(RUN, "cuda", way)[0] for way in ("eager", mode)]
    losses = [[float(step()) for _ in range(6)] for step in steps]
    assert_close(losses[1], losses[0], rtol=1e-2, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
def test_nothing_waits_between_validations_on_a_gpu():
    task, model, method = build(RUN, "cuda")
    steps = loop.take_steps(RUN, task, model, method)
    next(steps)
    torch.cuda.set_sync_debug_mode("error")
    try:
        list(steps)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
def test_a_gpu_trains_on_the_elements_and_the_order_of_a_cpu():
    on_cpu, on_gpu = (train_on(replace(RUN, steps=3), device)[1] for device in ("cpu", "cuda"))
    assert_close(on_cpu[-1]["equivariance"], on_gpu[-1]["equivariance"], rtol=1e-3, atol=1e-5)


@pytest.mark.gpu
def test_scores_stacked_on_a_gpu_are_those_of_a_cpu():
    first, second = (
        execute(replace(RUN, steps=3), device, lambda _: None).record.scores
        for device in ("cpu", "cuda")
    )
    assert_close(first, second, rtol=1e-2, atol=1e-4)

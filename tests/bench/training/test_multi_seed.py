"""Seeds trained at once: the same scores and curves as one by one, and what they cannot share."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.testing import assert_close

from bench import worker
from bench.cli import main
from bench.core import plugins
from bench.core.config import Plugin, Run
from bench.system import pool
from bench.timing import runs
from bench.training import history, multi_seed, selection
from bench.training.build import build
from bench.training.execute import execute
from bench.training.loop import train
from bench.training.stacked import Stacked, _PerSeedWeights, attention

TASK = Plugin("nbody_gravity", {"train": 16, "val": 8, "test": 8, "ood": 8})
SMALL = {"steps": 12, "batch_size": 8, "validations": 3, "elements": 2, "samples": 4, "lr": 3e-3}
TINY = Plugin("transformer", {"channels": 8, "layers": 1, "heads": 2})
NARROW = {"channels": 8}
PLAIN = Run(TASK, TINY, Plugin("plain"), **SMALL)
METHODS = [
    Plugin("plain"),
    Plugin("augment"),
    Plugin("remul", {"samples": 2, "variant": "functional"}),
    Plugin("ramp", {"steps": 6}),
    Plugin("dual"),
    Plugin("gradnorm"),
    Plugin("hinge"),
    Plugin("frames", {"kind": "canonical"}),
]
FREE = Plugin("emlp", {"free": True, "channels": 8, "layers": 1})
RELAXED = Plugin("discovery/relaxed_egnn", {"channels": 8, "layers": 1})
SWEEP = '''"""A sweep for tests."""
from bench import Plugin, Run
def runs():
    for seed in range(2):
        task, model = Plugin("nbody_gravity", {task}), Plugin("transformer", {model})
        yield Run(task, model, Plugin({method!r}), seed=seed, **{small})
'''


def ignore(_):
    pass


def seeds(cell, count=2):
    return [replace(cell, seed=seed) for seed in range(count)]


def at_once(runs):
    """What training has left of every seed: its score, its curve, its penalty and its outputs."""
    parts = [build(run, "cpu") for run in runs]
    ends = multi_seed.train_seeds(runs, parts, ignore)
    return [left(part, end()) for part, end in zip(parts, ends, strict=True)]


def one_by_one(runs):
    parts = [build(run, "cpu") for run in runs]
    return [left(part, train(run, *part, ignore)) for run, part in zip(runs, parts, strict=True)]


def left(part, score):
    task, model, method = part
    points = [{k: float(x) for k, x in point.items()} for point in method.penalty.points]
    final = history.final_weights(method.penalty.penalty)
    return {"score": score, "curve": points, "penalty": final, "outputs": model(task.test.inputs)}


def assert_alike(runs, rtol=1e-4, atol=1e-6):
    for found, wanted in zip(at_once(runs), one_by_one(runs), strict=True):
        assert_close(found, wanted, rtol=rtol, atol=atol)


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_training_at_once_is_training_one_by_one(method):
    assert_alike(seeds(replace(PLAIN, method=method)))


@pytest.mark.parametrize(
    ("method", "model"), [("per", FREE), ("rpp", FREE), ("ace", RELAXED)], ids=str
)
def test_methods_that_look_into_the_model_train_at_once_too(method, model):
    assert_alike(seeds(replace(PLAIN, method=Plugin(method), model=model, steps=4)))


def test_each_seed_has_steps_of_its_own_blocks():
    assert_alike(seeds(replace(PLAIN, optimiser="block_adam")))


def test_steps_of_muon_are_alike_as_far_as_its_bfloat16_goes():
    assert_alike(seeds(replace(PLAIN, optimiser="muon", steps=4)), rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("name", plugins.networks())
def test_every_network_is_called_at_once(name):
    parts = [build(replace(run, model=Plugin(name)), "cpu") for run in seeds(PLAIN)]
    models, inputs = [part[1] for part in parts], [part[0].val.inputs for part in parts]
    for weight in (weight for model in models for weight in model.parameters()):
        weight.data += 1e-2 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    wanted = [model(x) for model, x in zip(models, inputs, strict=True)]
    assert_close(Stacked(models)(inputs), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["mlp", "gnn", "tfn", "egnn", "painn"])
def test_other_models_train_at_once_too(name):
    model = Plugin(name, NARROW)
    assert_alike(seeds(replace(PLAIN, model=model, method=Plugin("remul"), steps=4)))


@pytest.mark.parametrize("equivariance", ["translations", "distances"])
def test_weights_that_multiply_train_at_once_too(equivariance):
    model = Plugin("rapidash", NARROW | {"layers": 2, "equivariance": equivariance})
    assert_alike(seeds(replace(PLAIN, model=model, steps=4)))


def test_gradients_are_clipped_seed_by_seed():
    assert_alike(seeds(replace(PLAIN, clip=1e-2)))


def test_a_seed_that_diverges_leaves_the_others_alone(monkeypatch):
    runs = seeds(PLAIN)
    wanted = execute(runs[1], "cpu", ignore).record
    monkeypatch.setattr(multi_seed, "build", spoilt)
    (first, curve, *_), (second, *_) = multi_seed.execute_seeds(runs, "cpu", ignore)
    assert first.status == "diverged"
    assert len(curve.splitlines()) == 1 + 4  # as many steps as until the first look
    assert second.scores == pytest.approx(wanted.scores, rel=1e-4)


def spoilt(run, device):
    """The parts of a run, the first seed's weights no numbers."""
    task, model, method = build(run, device)
    if run.seed == 0:
        with torch.no_grad():
            model.readout.weight.fill_(torch.nan)
    return task, model, method


def test_models_part_with_weights_of_their_own():
    stacked = Stacked([torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)])
    stacked.separate()
    stacked.whole.weight.data.zero_()
    assert all(model.weight.all() for model in stacked.models)


def tied():
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    net[1].weight = net[0].weight
    return net


def test_weights_that_two_layers_share_stay_shared():
    stacked = Stacked([tied(), tied()])
    assert stacked.whole[0].weight is stacked.whole[1].weight
    assert len(list(stacked.whole.parameters())) == 3


class Turned(torch.nn.Linear):
    def forward(self, inputs):
        return {"y": inputs["x"] @ self.weight.mT}


class Listed(torch.nn.Linear):
    def forward(self, inputs):
        return {"y": torch.cat([self.weight, inputs["x"]])}


class Shifted(torch.nn.Linear):
    def forward(self, inputs):
        return {"y": super().forward(inputs["x"]) + self.table}


@pytest.mark.parametrize("kind", [Turned, Listed, Shifted])
def test_models_are_mapped_where_no_rule_or_buffer_serves_all(kind):
    models = [kind(2, 2) for _ in range(2)]
    for value, model in enumerate(models):
        model.register_buffer("table", torch.tensor(value if kind is Shifted else 0))
    inputs = [{"x": torch.ones(2, 2)}] * 2
    stacked, wanted = Stacked(models), [model(x) for model, x in zip(models, inputs, strict=True)]
    assert_close(stacked(inputs), wanted)
    assert stacked.mapped


@pytest.mark.parametrize("sizes", [(4, 8), (4,)])
def test_seeds_ask_for_one_shape_and_all_together(sizes):
    stacked = Stacked([torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)])
    with pytest.raises(ValueError, match="all of one shape"):
        stacked([{"x": torch.ones(size, 2)} for size in sizes])


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("lie_penalty", "derivatives of the model in its inputs"),
        ("sharing", "trains in its own way"),
        ("latent", "random operation"),
        ("frames", "dynamic shape"),
    ],
)
def test_what_cannot_be_shared_is_refused(method, said):
    runs = seeds(replace(PLAIN, method=Plugin(method)))
    with pytest.raises((ValueError, RuntimeError), match=said):
        at_once(runs)


@pytest.mark.parametrize("n", [1, 4, 20])
def test_attention_among_few_objects_is_attention(n, draw):
    q, k, v = draw(3, 6, 4, n, 8).unbind()
    assert_close(attention(q, k, v), scaled_dot_product_attention(q, k, v))


def test_attention_keeps_its_mask(draw):
    q, k, v = draw(3, 6, 4, 5, 8).unbind()
    mask = draw(6, 1, 5, 5)
    assert_close(attention(q, k, v, attn_mask=mask), scaled_dot_product_attention(q, k, v, mask))


def test_weights_apart_have_the_gradients_of_each(draw):
    models = [torch.nn.Linear(3, 2).double() for _ in range(2)]
    x = draw(2, 5, 4, 3)
    each = zip(models, x, strict=True)
    wanted = [torch.autograd.grad(m(y).square().sum(), m.parameters()) for m, y in each]
    stacked = Stacked(models)
    with _PerSeedWeights(stacked.whole):
        stacked.whole(x.flatten(0, 1)).square().sum().backward()
    found = [weight.grad.unbind() for weight in stacked.whole.parameters()]
    assert_close(list(zip(*found, strict=True)), wanted)


def test_each_job_has_a_part_of_the_seeds():
    runs = [*seeds(PLAIN, 5), replace(PLAIN, steps=3)]
    assert selection.group_seeds(runs, jobs=3) == [[0, 2, 4], [1, 3]]


@pytest.fixture
def here(monkeypatch):
    """Lets the sweep be served in this process, and not be timed after."""

    def answer(self, request, on_reply, *_):
        replies = []
        worker.respond(request, None, replies.append)
        for reply in replies[:-1]:
            on_reply(reply)
        return replies[-1]

    monkeypatch.setattr(pool.Pool, "answer", answer)
    monkeypatch.setattr(runs, "measure_runs", lambda *_: True)


@pytest.mark.parametrize(
    ("method", "said"), [("plain", "2 seeds at once: "), ("lie_penalty", "one seed at a time: ")]
)
def test_the_command_says_what_it_won(here, tmp_path, capsys, method, said):
    file = tmp_path / "sweep.py"
    parts = {"task": dict(TASK.kwargs), "model": dict(TINY.kwargs), "small": SMALL}
    file.write_text(SWEEP.format(**parts, method=method))
    assert (
        main(["run", str(file), "--vectorise", "--jobs", "1", "--results", str(tmp_path / "r")])
        == 0
    )
    assert said in capsys.readouterr().err
    assert len(list(tmp_path.glob("r/*/runs/*/*.json"))) == 2

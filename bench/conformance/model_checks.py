"""Whether a model keeps its contract, and its symmetries as built."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Generator, nn
from torch.nn.functional import pad

from bench.conformance.result import CheckResult, run_check
from bench.conformance.task_checks import check_values
from bench.core import plugins
from bench.core.config import Plugin
from bench.core.contracts import Task
from remul import O3, SO3, Batch, Element, Permutation, act, equivariance_error
from remul.checks import predict
from remul.fields import MASK, Fields, Model, Signature, zero_padding

MODEL_SAMPLES = 8
ROUND_OFF = 1e-10  # of float64, with a margin


def check_model(plugin: Plugin, network: nn.Module, task: Task) -> Iterator[CheckResult]:
    """Yield how a model keeps its contract on a few samples in float64, and its symmetries."""
    batch = task.train[:MODEL_SAMPLES].to(torch.float64)
    network, signature = network.double().eval(), task.signature
    outputs = run_check(
        "outputs", "as the signature declares", lambda: _check_outputs(network, batch)
    )
    yield outputs
    if not outputs.passed:
        return
    model = partial(predict, network, types=signature.outputs)  # whatever else it returns
    network.train()  # where forces have a graph
    yield run_check("gradients", "finite", lambda: _check_gradients(network, model, batch))
    network.eval()
    yield run_check("samples", "each by itself", lambda: _check_alone(model, batch))
    if any(x.dim() > 2 for x in batch.inputs.values()):
        check = partial(_check_padding, model, batch.inputs)
        padding = run_check("padding", "without influence", check)
        splits = (task.train, task.val, *task.splits.values())
        masked = any(MASK in split.inputs for split in splits)
        yield padding if padding.passed or masked else _warning(padding)
    _move_from_zero(network)
    group = plugins.group_claim(plugin.name, plugin.kwargs)
    for about, g in _motions(batch.inputs).items():
        error = equivariance_error(network, batch.inputs, signature, g).max().item()
        passed = error < ROUND_OFF if about in plugins.GROUPS.get(group, ()) else None
        yield CheckResult(about, f"relative error {error:.1e} as built", passed)
    counts = {x.shape[1] for x in batch.inputs.values() if x.dim() > 2}
    if len(counts) == 1:  # fields of several sets have no permutation in common
        order = torch.randperm(*counts, generator=Generator().manual_seed(0))[None]
        error = _error_under(model, batch.inputs, signature, Permutation(order))
        yield CheckResult("permutations", f"relative error {error:.1e} as built")
    single, few = network.float().train(), task.train[:MODEL_SAMPLES]
    yield run_check("training", "possible in float32", lambda: _check_gradients(single, model, few))


def _check_outputs(network: nn.Module, batch: Batch) -> None:
    given = {name: x.clone() for name, x in batch.inputs.items()}
    outputs = network(given)
    if not isinstance(outputs, dict):
        raise ValueError(f"it returns a {type(outputs).__name__}, not a dict of fields")
    for name, x in batch.inputs.items():
        if not torch.allclose(given.get(name, x + 1), x, rtol=0, atol=0, equal_nan=True):
            raise ValueError(f"it changes the field {name!r} of its inputs")
    for name, target in batch.targets.items():
        if name not in outputs:
            raise ValueError(f"field {name!r} is missing, there are {', '.join(outputs)}")
        if outputs[name].shape != target.shape:
            shapes = f"{tuple(outputs[name].shape)}, the target {tuple(target.shape)}"
            raise ValueError(f"field {name!r} is {shapes}")
        check_values(name, outputs[name])


def _check_gradients(network: nn.Module, model: Model, batch: Batch) -> None:
    loss = sum(x.square().mean() for x in model(batch.inputs).values())
    if loss.requires_grad:
        loss.backward()
    for name, weight in network.named_parameters():
        if weight.grad is not None and not weight.grad.isfinite().all():
            raise ValueError(f"the gradient of {name} is not")


def _check_alone(model: Model, batch: Batch) -> None:
    together = Batch(batch.inputs, model(batch.inputs), batch.objects)
    _check_equal(model(batch[:1].inputs), together[:1].targets)


@torch.no_grad()
def _move_from_zero(network: nn.Module) -> None:
    """Draw the weights that are all zero: behind a last layer of zeros any network is exact."""
    generator = Generator().manual_seed(0)
    for weight in network.parameters():
        if not weight.any():
            weight.normal_(0, 0.1, generator=generator)


def _check_padding(model: Model, inputs: Fields) -> None:
    """Raise `ValueError` if two objects more, marked as padding and full of NaN, change a field."""
    n = next(x.shape[1] for x in inputs.values() if x.dim() > 2)
    widths = {2: (), 3: (0, 0, 0, 2), 4: (0, 0, 0, 2, 0, 2)}
    padded = {k: pad(x, widths[x.dim()], value=torch.nan) for k, x in inputs.items()}
    some = next(iter(inputs.values()))
    real = inputs.get(MASK, some.new_ones(len(some), n, 1))
    padded[MASK] = pad(real, widths[3])
    outputs = {k: x[:, :n] if x.dim() > 2 else x for k, x in model(padded).items()}
    _check_equal(zero_padding(outputs, real), zero_padding(model(inputs), real))


def _warning(result: CheckResult) -> CheckResult:
    """What is no failure, as the task has no padded objects, and how it would be mended."""
    mend = "fine as long as no data are padded; else use torch.where(inputs['mask'].bool(), x, 0)"
    return replace(result, text=f"{result.text} ({mend})", passed=None)


def _check_equal(outputs: Fields, expected: Fields) -> None:
    for name, x in expected.items():
        if not torch.allclose(outputs[name], x, rtol=1e-8, atol=1e-8):
            raise ValueError(f"field {name!r} differs by {(outputs[name] - x).abs().max():.1e}")


def _motions(inputs: Fields) -> dict[str, Element]:
    generator = Generator().manual_seed(0)
    turn, flip = (group.sample(inputs, generator) for group in (SO3, O3))
    still = torch.eye(3, dtype=torch.float64).expand_as(turn.rotation)
    shift = torch.randn(turn.translation.shape, dtype=torch.float64, generator=generator)
    return {"rotations": turn, "reflections": flip, "translations": Element(still, shift)}


def _error_under(model: Model, inputs: Fields, signature: Signature, order: Permutation) -> float:
    outputs = model(act(order, inputs, signature.inputs))
    expected = act(order, model(inputs), signature.outputs)
    squares = sum((outputs[name] - x).square().sum() for name, x in expected.items())
    return (squares / sum(x.square().sum() for x in expected.values())).sqrt().item()

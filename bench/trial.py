"""What `try` finds: contract, symmetry and speed of a model, types of a task."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from traceback import extract_tb

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import pad

from bench import plugins, turning
from bench.config import Plugin, Run
from bench.execute import build, closures, outcome
from bench.plugins import Task
from bench.progress import duration
from bench.timing import clock_of, measure
from remul import O3, SO3, Batch, Element, Permutation, act, equivariance_error
from remul.checks import check
from remul.fields import MASK, Fields, Signature

SAMPLES, ROUNDS = 8, 12
EXACT = 1e-10  # round-off in float64, with a margin
RIVAL = Plugin("transformer")
LENGTHS = (2_000, 50_000)


@dataclass(frozen=True)
class Finding:
    """One line of the report; `kept` is None where there is nothing to keep."""

    about: str
    text: str
    kept: bool | None = None


def attempt(model: str, task: str, symmetric: bool, device: str) -> Iterator[Finding]:
    """All findings on a model file and a task file, the slow ones last.

    Of a task that is `symmetric` every field has to turn with the points. Raises `ValueError` for
    plug-ins that are not there or cannot be built.
    """
    run = Run(Plugin(task), Plugin(model), Plugin("plain"))
    data, network = _built(run, device)
    found = list(examine_data(data, symmetric))
    yield from found
    if failed(found):
        return
    found = list(examine_model(model, network, data))
    yield from found
    if not failed(found):
        yield from examine_speed(run, device)


def _built(run: Run, device: str) -> tuple[Task, nn.Module]:
    """Task and model; what their files raise is told in one line, with its place."""
    try:
        return build(run, device)[:2]
    except (OSError, ValueError):
        raise
    except Exception as error:
        place = extract_tb(error.__traceback__)[-1]
        reason = outcome(error)["reason"]
        raise ValueError(f"{place.filename}, line {place.lineno}: {reason}") from None


def examine_data(task: Task, symmetric: bool) -> Iterator[Finding]:
    """Whether every split fits the signature, and which fields turn with the points."""
    splits = {"train": task.train, "val": task.val, **task.splits}
    found = [_examine_split(name, batch, task.signature) for name, batch in splits.items()]
    yield from found
    if failed(found):
        return
    types = {**task.signature.inputs, **task.signature.outputs}
    for field, turns in turning.fields_that_turn(task.train, task.signature).items():
        declared = f"declared {types[field].irreps!r}"
        told = {True: "turns with the points", False: "does not turn with the points"}
        text = told.get(turns, "these samples do not tell whether it turns")
        yield Finding(f"field {field!r}", f"{text}, {declared}", turns if symmetric else None)


def _examine_split(name: str, batch: Batch, signature: Signature) -> Finding:
    try:
        check(batch.inputs, signature.inputs)
        check(batch.targets, signature.outputs)
        for field, x in {**batch.inputs, **batch.targets}.items():
            _check_values(field, x)
            _check_precision(field, x)
    except ValueError as error:
        return Finding(f"split {name!r}", str(error), False)
    return Finding(f"split {name!r}", f"{len(batch)} samples that fit the signature", True)


def _check_values(field: str, x: Tensor) -> None:
    if field != MASK and not x.isfinite().all():
        raise ValueError(f"field {field!r} holds values that are not finite")


def _check_precision(field: str, x: Tensor) -> None:
    if field != MASK and x.dtype != torch.float32:
        raise ValueError(f"field {field!r} is {x.dtype}, networks are trained in torch.float32")


def examine_model(name: str, network: nn.Module, task: Task) -> Iterator[Finding]:
    """The contract of a model on a few samples, in float64, and its symmetries as built."""
    batch = task.train[:SAMPLES].to(torch.float64)
    network, signature = network.double().eval(), task.signature
    outputs = _kept("outputs", "as the signature declares", lambda: _check_outputs(network, batch))
    yield outputs
    if not outputs.kept:
        return
    yield _kept("gradients", "finite", lambda: _check_gradients(network, batch))
    yield _kept("samples", "each by itself", lambda: _check_alone(network, batch.inputs))
    yield _kept("padding", "without influence", lambda: _check_padding(network, batch.inputs))
    claims = plugins.claims_equivariance(name)
    for about, g in _motions(batch.inputs).items():
        with torch.no_grad():
            error = equivariance_error(network, batch.inputs, signature, g).max().item()
        kept = error < EXACT if claims and about == "rotations" else None
        yield Finding(about, f"relative error {error:.1e} as built", kept)
    counts = {x.shape[1] for x in batch.inputs.values() if x.dim() > 2}
    if len(counts) == 1:  # fields of several sets have no permutation in common
        order = torch.randperm(*counts, generator=Generator().manual_seed(0))[None]
        error = _error_under(network, batch.inputs, signature, Permutation(order))
        yield Finding("permutations", f"relative error {error:.1e} as built")
    single, few = network.float().train(), task.train[:SAMPLES]
    yield _kept("training", "possible in float32", lambda: _check_gradients(single, few))


def _kept(about: str, promise: str, test: Callable[[], None]) -> Finding:
    """Whether a test passes; whatever the model raises is the reason why it does not."""
    try:
        test()
    except Exception as error:
        reason = str(error).partition("\n")[0]
        return Finding(about, f"not {promise}: {type(error).__name__}: {reason}", False)
    return Finding(about, promise, True)


def _check_outputs(network: nn.Module, batch: Batch) -> None:
    given = {name: x.clone() for name, x in batch.inputs.items()}
    found = network(given)
    if not isinstance(found, dict):
        raise ValueError(f"it returns a {type(found).__name__}, not a dict of fields")
    for name, x in batch.inputs.items():
        if not torch.allclose(given.get(name, x + 1), x, rtol=0, atol=0, equal_nan=True):
            raise ValueError(f"it changes the field {name!r} of its inputs")
    for name, target in batch.targets.items():
        if name not in found:
            raise ValueError(f"field {name!r} is missing, there are {', '.join(found)}")
        if found[name].shape != target.shape:
            shapes = f"{tuple(found[name].shape)}, the target {tuple(target.shape)}"
            raise ValueError(f"field {name!r} is {shapes}")
        _check_values(name, found[name])


def _check_gradients(network: nn.Module, batch: Batch) -> None:
    loss = sum(x.square().mean() for x in network(batch.inputs).values())
    if loss.requires_grad:
        loss.backward()
    for name, weight in network.named_parameters():
        if weight.grad is not None and not weight.grad.isfinite().all():
            raise ValueError(f"the gradient of {name} is not")


def _check_alone(network: nn.Module, inputs: Fields) -> None:
    together = {name: x[:1] for name, x in network(inputs).items()}
    _check_equal(network({name: x[:1] for name, x in inputs.items()}), together)


def _check_padding(network: nn.Module, inputs: Fields) -> None:
    """Two objects more, marked as padding and full of NaN, change nothing."""
    if MASK in inputs or all(x.dim() < 3 for x in inputs.values()):
        return
    n = next(x.shape[1] for x in inputs.values() if x.dim() > 2)
    widths = {2: (), 3: (0, 0, 0, 2), 4: (0, 0, 0, 2, 0, 2)}
    padded = {k: pad(x, widths[x.dim()], value=torch.nan) for k, x in inputs.items()}
    some = next(iter(inputs.values()))
    mask = torch.cat([some.new_ones(len(some), n, 1), some.new_zeros(len(some), 2, 1)], 1)
    found = network(padded | {MASK: mask})
    _check_equal({k: x[:, :n] if x.dim() > 2 else x for k, x in found.items()}, network(inputs))


def _check_equal(found: Fields, expected: Fields) -> None:
    for name, x in expected.items():
        if not torch.allclose(found[name], x, rtol=1e-8, atol=1e-8):
            raise ValueError(f"field {name!r} differs by {(found[name] - x).abs().max():.1e}")


def _motions(inputs: Fields) -> dict[str, Element]:
    generator = Generator().manual_seed(0)
    turn, flip = (group.sample(inputs, generator) for group in (SO3, O3))
    still = torch.eye(3, dtype=torch.float64).expand_as(turn.rotation)
    shift = torch.randn(turn.translation.shape, dtype=torch.float64, generator=generator)
    return {"rotations": turn, "reflections": flip, "translations": Element(still, shift)}


def _error_under(
    network: nn.Module, inputs: Fields, signature: Signature, order: Permutation
) -> float:
    with torch.no_grad():
        found = network(act(order, inputs, signature.inputs))
        expected = act(order, network(inputs), signature.outputs)
    apart = sum((found[name] - x).square().sum() for name, x in expected.items())
    return (apart / sum(x.square().sum() for x in expected.values())).sqrt().item()


def examine_speed(run: Run, device: str) -> Iterator[Finding]:
    """A training step and inference beside the default Transformer's, and what a run will take."""
    functions = {}
    for plugin in {str(run.model): run.model, str(RIVAL): RIVAL}.values():
        step, inference, _ = closures(Run(run.task, plugin, run.method), device)
        functions |= {(plugin.name, "step"): step, (plugin.name, "inference"): inference}
    there = {key: function for key, function in functions.items() if function}
    timings = {key: t["median_ms"] for key, t in measure(there, ROUNDS, clock_of(device)).items()}
    for kind in ("step", "inference"):
        if (run.model.name, kind) in timings:
            own, rival = timings[run.model.name, kind], timings[RIVAL.name, kind]
            faster = f"{rival / own:.2g} times as fast as {RIVAL.name}"
            yield Finding(kind, f"{own:.3g} ms at batch {run.batch_size}, {faster}")
    if (run.model.name, "step") in timings:
        took = [duration(1e-3 * timings[run.model.name, "step"] * n) for n in LENGTHS]
        each = ", ".join(f"{n:,} steps {t}" for n, t in zip(LENGTHS, took, strict=True))
        yield Finding("a run", f"takes about: {each}")


def line(finding: Finding) -> str:
    """A finding as it is printed."""
    mark = {True: "ok  ", False: "FAIL", None: "    "}[finding.kept]
    return f"{mark} {finding.about}: {finding.text}"


def failed(findings: list[Finding]) -> bool:
    """Whether something that has to be kept is not."""
    return any(finding.kept is False for finding in findings)

"""The task, model and method of a run, from its configuration and seed alone."""

from dataclasses import replace

from torch import nn

from bench.core import plugins
from bench.core.config import Run
from bench.core.contracts import SPLITS, Method, Task, check_returned
from bench.core.networks import build_network
from bench.training import history
from bench.training.generators import seed_global_generators
from remul import Batch, Signature, canonicalise, frame_average, group_average, groups
from remul.checks import check


def symmetrise(model: nn.Module, signature: Signature, how: str) -> nn.Module:
    """Return the model wrapped as one of `config.SYMMETRISE` says, sharing its weights."""
    kind, _, group = how.rstrip(")").partition("(")
    if kind == "group_average":
        return group_average(model, signature, getattr(groups, group).elements())
    wrappers = {"frame_average": frame_average, "canonicalise": canonicalise}
    return wrappers[kind](model, signature) if kind in wrappers else model


def build(run: Run, device: str) -> tuple[Task, nn.Module, Method]:
    """Return the task, model and method of a run, from its configuration and seed alone.

    The penalty is told the model's last layer if it asks, and keeps its curve.
    """
    module = plugins.load("tasks", run.task.name)
    with seed_global_generators(run):
        loaded = module.load(run.seed, **run.task.kwargs)
    task = _move(check_returned(loaded, Task, f"load of {run.task.name}"), device)
    built = plugins.load("methods", run.method.name).build(task, **run.method.kwargs)
    method = check_returned(built, Method, f"build of {run.method.name}")
    with seed_global_generators(run):
        options = run.model.kwargs
        model = build_network(run.model.name, task.signature, task.scales, **options).to(device)
        if method.wrap:
            model = check_returned(method.wrap(model), nn.Module, f"wrap of {run.method.name}")
            model = model.to(device)
    method = replace(method, penalty=history.record_penalty(method.penalty, run.steps))
    watch_last_layer(method, model)
    return task, model, method


def watch_last_layer(method: Method, model: nn.Module) -> None:
    """Have a recorded penalty that asks for it take its gradients in the model's last layer."""
    watch = getattr(getattr(method.penalty, "penalty", None), "watch", None)
    if watch:
        watch(last_layer(model))


def last_layer(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights of the module with weights that the model declares last."""
    layers = [list(module.parameters(recurse=False)) for module in model.modules()]
    return next((weights for weights in reversed(layers) if weights), [])


def check_splits(task: Task) -> None:
    """Raise `ValueError`, naming the split, before hours of training end at it."""
    for name, batch in {"train": task.train, "val": task.val, **task.splits}.items():
        try:
            layout = check(batch.inputs, task.signature.inputs)
            check(batch.targets, task.signature.outputs, layout)
        except ValueError as error:
            raise ValueError(f"split {name!r}: {error}") from None


def _move(task: Task, device: str) -> Task:
    splits: dict[str, Batch] = {name: getattr(task, name).to(device) for name in SPLITS}
    more = {name: batch.to(device) for name, batch in task.more.items()}
    return replace(task, **splits, more=more)

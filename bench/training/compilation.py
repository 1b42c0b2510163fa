"""Loss terms and their gradients compiled, where that gives what they are."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import platformdirs
import torch
from torch import Tensor, nn

from bench.core.config import Run
from bench.core.contracts import Method, Task
from bench.core.outcomes import explain
from bench.system import environment
from bench.training.batches import Batches
from bench.training.generators import rng
from bench.training.loop import is_trainable

BACKEND = "inductor"
NEAR = 1e-4  # share of a loss, and of all gradients, by which what is compiled may be off


def compile_if_asked(run: Run, task: Task, model: nn.Module, method: Method) -> Method:
    """Return the method with its terms compiled, or as it is where they are not to be.

    Where they cannot be, or one batch tells that they are others then, a line says so.
    """
    if environment.COMPILE not in os.environ or not is_trainable(model):
        return method
    _keep_compiled()
    torch.compiler.reset()  # a process compiles one function for few models, then for no other
    try:
        if method.train:
            raise ValueError("the method trains in its own way")
        compiled = compile_terms(method)
        _check_first_step(run, task, model, method, compiled)
    except Exception as error:
        print(f"{run.model} {run.method}, not compiled: {explain(error)}", file=sys.stderr)
        return method
    return compiled


def compile_terms(method: Method) -> Method:
    """Return the method with its terms as one compiled function, if it has any."""
    if method.terms is None:
        return method
    watches = hasattr(getattr(method.penalty, "penalty", None), "watch")
    torch._functorch.config.donated_buffer = not watches  # which would allow for one backward pass
    return replace(method, terms=torch.compile(method.terms, backend=BACKEND))


def _keep_compiled() -> None:
    """Have the compiler find what other processes of this user have compiled.

    It is code, so it is in the user's own cache folder, not beside records or data that are shared.
    """
    folder = Path(platformdirs.user_cache_dir("remul")) / "compiled"
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"


def _check_first_step(
    run: Run, task: Task, model: nn.Module, method: Method, compiled: Method
) -> None:
    """Raise `ValueError` if losses or gradients are others; leaves the model as it was."""
    batch = next(Batches(method.data or task.train, run.batch_size, rng("batches", run.seed)))

    def differentiate(way: Method) -> tuple[Tensor, Tensor]:
        model.zero_grad(set_to_none=True)
        with torch.random.fork_rng(devices=[]):
            terms = way.terms(model, batch, way.draw(batch, rng("elements", run.seed)))
        loss = torch.stack([*terms.values()])
        loss.sum().backward()
        gradients = [weight.grad for weight in model.parameters()]
        model.zero_grad(set_to_none=True)
        return loss.detach(), torch.cat([x.flatten() for x in gradients if x is not None])

    pairs = zip(differentiate(compiled), differentiate(method), strict=True)
    if any((found - wanted).norm() > NEAR * wanted.norm() for found, wanted in pairs):
        raise ValueError("it gives other losses or gradients")

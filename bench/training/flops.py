"""FLOPs and parameters of a run: counts that need no clock."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from bench.core.config import Run
from bench.core.contracts import Method, Task
from bench.training.batches import Batches
from bench.training.generators import rng
from bench.training.loop import is_trainable, trainer

ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
ATTENTION_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def count_training(run: Run, task: Task, model: nn.Module, method: Method) -> dict[str, int | None]:
    """Return the parameters, and the FLOPs of inference on one batch and of a training step.

    The model and the method are left as they were; a method that trains itself has no step.
    """
    batch = next(Batches(task.train, run.batch_size, rng("batches", run.seed)))
    copy = deepcopy(model)
    counts = {"parameters": parameters(model), "flops": flops(lambda: copy.eval()(batch.inputs))}
    if is_trainable(model) and not method.train:
        training = trainer(run, copy.train(), method)
        counts["step_flops"] = flops(lambda: training.step(batch))
    return counts


def parameters(model: nn.Module) -> int:
    """Return the number of trained weights."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def flops(function: Callable[[], Any]) -> int | None:
    """Return the FLOPs of the matrix products and of the attention of a call.

    None where it differentiates inside, which the counter refuses.
    """
    forms = {ATTENTION: _attention, ATTENTION_BACKWARD: _attention_backward}
    try:
        with FlopCounterMode(display=False, custom_mapping=forms) as counter:
            function()
    except RuntimeError:
        return None
    return counter.get_total_flops()


def _attention(q: torch.Size, k: torch.Size, v: torch.Size, *_: Any, **__: Any) -> int:  # noqa: ANN401
    return sdpa_flop_count(q, k, v)


def _attention_backward(grad: torch.Size, q: torch.Size, k: torch.Size, v: torch.Size, *_: Any,  # noqa: ANN401
                        **__: Any) -> int:  # fmt: skip  # noqa: ANN401
    return sdpa_backward_flop_count(grad, q, k, v)

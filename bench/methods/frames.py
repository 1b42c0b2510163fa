"""Frame averaging in training and after it: the network sees samples in their own axes alone."""

from dataclasses import replace

from torch import nn

from bench import Method, Task
from bench.methods._multitask import multitask
from remul import Constant, canonicalise, frame_average

FRAMES = {"average": frame_average, "canonical": canonicalise}


def build(task: Task, kind: str = "average") -> Method:
    """The loss l(F(x), y) of F(x) = mean_k g_k^-1 f(g_k x) over frames of x (Puny et al. 2022).

    The four PCA frames of `frame_average`, in one pass of four times the samples, or the one of
    `canonicalise` ("canonical"). F, exact for SE(3), is what is scored and timed. Raises
    `ValueError` for another kind and, when it is built, for inputs without vectors.
    """
    if kind not in FRAMES:
        raise ValueError(f"no kind {kind!r}; there are {', '.join(FRAMES)}")

    def wrap(model: nn.Module) -> nn.Module:
        return FRAMES[kind](model, task.signature)

    method = multitask(task, Constant(alpha=1, beta=0))
    return replace(method, wrap=wrap)

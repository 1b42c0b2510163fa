"""What a run does to its trained model before it is scored and its inference timed."""

from torch import nn

from remul import Signature, canonicalise, frame_average, group_average, groups


def symmetrised(model: nn.Module, signature: Signature, how: str) -> nn.Module:
    """The model wrapped as one of `config.SYMMETRISE` says, sharing its weights."""
    kind, _, group = how.rstrip(")").partition("(")
    if kind == "group_average":
        return group_average(model, signature, getattr(groups, group).elements())
    wrappers = {"frame_average": frame_average, "canonicalise": canonicalise}
    return wrappers[kind](model, signature) if kind in wrappers else model

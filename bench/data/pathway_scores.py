"""What training by evidence tells a network of its pathways, as scores of a task."""

from functools import partial

from torch import nn

from bench.core.contracts import Score


def pathway_scores(*ways: str) -> dict[str, Score]:
    """Return the scores "..._dimension" and "..._precision" of each way, and "sigma"."""
    scores: dict[str, Score] = {"sigma": lambda model: getattr(model, "sigma", None)}
    for what in ("dimension", "precision"):
        scores |= {f"{way}_{what}": partial(_look_up, what, way) for way in ways}
    return scores


def _look_up(what: str, way: str, model: nn.Module) -> float | None:
    return getattr(model, what, {}).get(way)

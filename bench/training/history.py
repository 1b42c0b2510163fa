"""Curves: weights and terms over the steps of a training, kept beside its record."""

import csv
import io
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from math import ceil
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from bench.system.plain import quote
from remul import Constant, Terms

CURVE_POINTS = 250  # a curve has no more
COLUMNS = ("step", "alpha", "beta", "fit", "equivariance")
Point = dict[str, float | Tensor]


@dataclass
class RecordedPenalty:
    """A penalty that notes its terms and their weights every so many steps.

    Notes are detached tensors, so that no step waits for a device, and copies: a term may be a
    weight of the network.
    """

    penalty: Callable[[Terms], Tensor] | None  # a method that trains in its own way has none
    every: int
    step: int = 0
    points: list[Point] = field(default_factory=list)
    loaded: Point = field(default_factory=dict)  # weights of the next step, as they were

    def __call__(self, terms: Terms) -> Tensor:
        """Return what the penalty makes of the terms."""
        self.note(terms)
        return self.penalty(terms)

    def note_error(self, step: int, error: float) -> None:
        """Keep the error in validation after a step, beside the step's terms if they are kept."""
        if not (self.points and self.points[-1]["step"] == step):
            self.points.append({"step": step})
        self.points[-1]["mse_val"] = error

    def state_dict(self) -> dict[str, Any]:
        """Return the curve so far and the state of the penalty. Waits for the device."""
        weights = self.loaded or current_weights(self.penalty)
        points = [_to_floats(point) for point in self.points]
        own = {"step": self.step, "points": points, "weights": _to_floats(weights)}
        return own | {"penalty": self.penalty.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken.

        What a penalty loads has another precision until its first step, so it is not asked before.
        """
        self.step, self.loaded = state["step"], state["weights"]
        self.points[:] = state["points"]
        self.penalty.load_state_dict(state["penalty"])

    def note(self, terms: Terms) -> None:
        """Count a step, and keep its terms where it is one of the curve's.

        Raises `ValueError` for a term or weight that is not one number.
        """
        if self.step % self.every == 0:
            values = {name: term.detach().clone() for name, term in terms.items()}
            weights = self.loaded or current_weights(self.penalty)
            self.points.append({"step": self.step + 1, **_check_single(weights | values)})
        self.step += 1
        self.loaded = {}


def _check_single(values: Point) -> Point:
    for name, value in values.items():
        if not (value.numel() == 1 if torch.is_tensor(value) else isinstance(value, Real)):
            found = f"shape {(*value.shape,)}" if torch.is_tensor(value) else quote(value)
            raise ValueError(f"{name} of a loss has to be one number, got {found}")
    return values


def _to_floats(point: Point) -> Point:
    return {name: float(value) for name, value in point.items()}


def record_penalty(penalty: Callable[[Terms], Tensor] | None, steps: int) -> RecordedPenalty:
    """Return the penalty with a curve of at most `CURVE_POINTS` points over that many steps."""
    return RecordedPenalty(penalty, ceil(steps / CURVE_POINTS))


def current_weights(penalty: Callable[[Terms], Tensor]) -> dict[str, float | Tensor]:
    """Return alpha and beta of the next step, where the penalty tells them: not every one does."""
    known = getattr(penalty, "weights", {})
    names = {"alpha": "fit", "beta": "equivariance"}
    return {column: known[name] for column, name in names.items() if name in known}


def final_weights(penalty: Callable[[Terms], Tensor]) -> dict[str, Any]:
    """Return the entry of a record: the weights that a penalty has come to, and its state."""
    state = {"state": _without_tensors(_state_of(penalty))}
    return {k: float(weight) for k, weight in current_weights(penalty).items()} | state


def _state_of(penalty: Callable[[Terms], Tensor]) -> dict[str, Any]:
    return getattr(penalty, "state_dict", dict)()


def _without_tensors(state: Any) -> Any:  # noqa: ANN401 - any state
    match state:
        case Tensor():
            return state.tolist()
        case Mapping():
            return {name: _without_tensors(part) for name, part in state.items()}
        case list() | tuple():
            return [_without_tensors(part) for part in state]
    return state


def freeze(penalty: Callable[[Terms], Tensor]) -> Callable[[Terms], Tensor]:
    """Return the penalty with the weights it has come to, for good."""
    known = {name: float(weight) for name, weight in current_weights(penalty).items()}
    if known.keys() == {"alpha", "beta"} and _state_of(penalty):
        return Constant(**known)
    return lambda terms: deepcopy(penalty)(terms)


def as_csv(points: list[Point]) -> str:
    """Return a line per point, empty where a term was not computed. Waits for the device, once."""
    columns = dict.fromkeys([*COLUMNS, *(name for point in points for name in point)])
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for point in points:
        writer.writerow({name: f"{float(value):.7g}" for name, value in point.items()})
    return text.getvalue()

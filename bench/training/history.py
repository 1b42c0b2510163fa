"""Curves: weights and terms over the steps of a training, kept beside its record."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from torch import Tensor

from remul import Constant, Terms

POINTS = 250  # a curve has no more
COLUMNS = ("step", "alpha", "beta", "fit", "equivariance")
Point = dict[str, float | Tensor]


@dataclass
class Traced:
    """A penalty that notes what it is given, every so many steps, and what it weighs it with.

    Notes are detached tensors, so that no step waits for a device.
    """

    penalty: Callable[[Terms], Tensor]
    every: int
    step: int = 0
    points: list[Point] = field(default_factory=list)

    def __call__(self, terms: Terms) -> Tensor:
        """What the penalty says."""
        if self.step % self.every == 0:
            noted = {name: term.detach() for name, term in terms.items()}
            self.points.append({"step": self.step + 1, **weights(self.penalty), **noted})
        self.step += 1
        return self.penalty(terms)


def traced(penalty: Callable[[Terms], Tensor], steps: int) -> Traced:
    """The penalty with a curve of at most `POINTS` points over that many steps."""
    return Traced(penalty, ceil(steps / POINTS))


def weights(penalty: Callable[[Terms], Tensor]) -> dict[str, float | Tensor]:
    """alpha and beta of the next step, where the penalty tells them: it may be any function."""
    known = getattr(penalty, "weights", {})
    names = {"alpha": "fit", "beta": "equivariance"}
    return {column: known[name] for column, name in names.items() if name in known}


def final(penalty: Callable[[Terms], Tensor]) -> dict[str, Any]:
    """The entry of a record: the weights that a penalty has come to, and its state."""
    state = penalty.state_dict() if hasattr(penalty, "state_dict") else {}
    return {name: float(weight) for name, weight in weights(penalty).items()} | {"state": state}


def settled(penalty: Callable[[Terms], Tensor]) -> Callable[[Terms], Tensor]:
    """The penalty with the weights it has come to, for good, where it tells them."""
    known = {name: float(weight) for name, weight in weights(penalty).items()}
    return Constant(**known) if known else penalty


def as_csv(points: list[Point]) -> str:
    """One line per point, empty where a term was not computed. Waits for the device, once."""
    columns = dict.fromkeys([*COLUMNS, *(name for point in points for name in point)])
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for point in points:
        writer.writerow({name: f"{float(value):.7g}" for name, value in point.items()})
    return text.getvalue()

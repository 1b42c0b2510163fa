"""What plug-ins return: `Task` and `Method`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from bench.system.plain import quote

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

    from bench.core.config import Run
    from remul import Batch, Distance, Fields, Model, Signature, Terms
    from remul.elements import GroupElement

STANDARD = re.compile(  # names of the scores that every task has
    r"best_step|(mse|squared_error|expected_error|mean_error|equivariance_error)_\w+"
)
SPLITS = ("train", "val", "test")


class Sampler(Protocol):
    """A group that draws an element per sample, as those of `remul`."""

    def sample(self, fields: Fields, generator: Generator) -> GroupElement:
        """Draw one element per sample of the fields."""
        ...


def _rotations() -> Sampler:
    from remul import SO3

    return SO3


Score = Callable[["nn.Module"], float | None]
Profile = Callable[["nn.Module"], Mapping[str, list[float]]]


@dataclass(frozen=True)
class Task:
    """What `load(seed, **options)` of a task file returns: typed data and how it is scored.

    `scores` are the task's own, by name: functions of the trained model, None for a model that has
    no such thing. Targets in their natural units have `scales`, by field: what a network gives is
    multiplied by them, and the `distance` divides by them. `profile` returns curves of the
    trained model, by name. Equivariance errors are those over the `group`, rotations unless a task
    says otherwise; None where no group acts, and there are none.

    Raises `ValueError` for names of splits or scores that records cannot have, or that are taken.
    """

    signature: Signature
    train: Batch
    val: Batch
    test: Batch
    distance: Distance | Mapping[str, Distance]
    more: Mapping[str, Batch] = field(default_factory=dict)
    scores: Mapping[str, Score] = field(default_factory=dict)
    scales: Mapping[str, float] = field(default_factory=dict)
    profile: Profile | None = None
    group: Sampler | None = field(default_factory=_rotations)

    def __post_init__(self) -> None:
        for name in (*self.more, *self.scores):
            if not (isinstance(name, str) and name.isidentifier()):
                raise ValueError(f"split or score {quote(name)}: name it by letters, digits and _")
        for name in self.more.keys() & {*SPLITS}:
            raise ValueError(f"more has another {name!r}: give that split another name")
        ends = tuple(f"_{split}" for split in ("val", *self.splits))
        for name in filter(STANDARD.fullmatch, self.scores):
            if name == "best_step" or name.endswith(ends):
                raise ValueError(f"every task has a score {name!r}: give its own another name")

    @property
    def splits(self) -> dict[str, Batch]:
        """The splits that are scored, by the word that ends a score's name."""
        return {"test": self.test, **self.more}


def pass_on(batch: Batch, generator: Generator) -> Generator:
    """Return the generator: the terms draw from it themselves."""
    return generator


@dataclass(frozen=True)
class Method:
    """What `build(task, **hparams)` of a method file returns: loss terms, and how they add up.

    `terms(model, batch, generator)` draws its group elements from the generator alone. Training
    that is `constrained` keeps its last state, which meets the constraint, not its best one. With
    `draw` the terms are given what `draw(batch, generator)` returns in the generator's place, group
    elements on the batch's device, and compute on them and the batch alone: such a step can be one
    CUDA graph.

    A method that trains in its own way has neither: `train(run, task, model)` takes one step
    whenever it is asked for the next of its `run.steps` losses, and is `constrained`, too, where it
    ends in a state that steps before do not have.

    `wrap(model)` is what is trained, scored and timed in the model's place, with weights of the
    method's own if it has any; `data` are the samples that are trained on in place of the task's,
    and `poses`, where they are its samples turned, what they are turned by.
    """

    terms: Callable[[Model, Batch, Any], Terms] | None = None
    penalty: Callable[[Terms], Tensor] | None = None
    constrained: bool = False
    train: Callable[[Run, Task, nn.Module], Iterator[Tensor]] | None = None
    wrap: Callable[[nn.Module], nn.Module] | None = None
    data: Batch | None = None
    poses: list[GroupElement] | None = None
    draw: Callable[[Batch, Generator], Any] = pass_on

    def __post_init__(self) -> None:
        if (self.terms is None) == (self.train is None):
            raise ValueError("a method has terms and a penalty, or else its own train")


Kind = TypeVar("Kind")


def check_returned(value: Any, kind: type[Kind], function: str) -> Kind:  # noqa: ANN401 - anything
    """Return what a plug-in's function returned. Raises `ValueError` if that is of another kind."""
    if not isinstance(value, kind):
        found = type(value).__name__
        raise ValueError(f"{function} has to return a {kind.__name__}, not {found}")
    return value

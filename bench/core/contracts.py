"""What plug-ins return: `Task` and `Method`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from remul import Batch, Distance, Model, Signature, Terms


@dataclass(frozen=True)
class Task:
    """What `load(seed, **options)` of a task file returns: typed data and how it is scored."""

    signature: Signature
    train: Batch
    val: Batch
    test: Batch
    distance: Distance
    more: Mapping[str, Batch] = field(default_factory=dict)

    @property
    def splits(self) -> dict[str, Batch]:
        """The splits that are scored, by the word that ends a score's name."""
        return {"test": self.test, **self.more}


@dataclass(frozen=True)
class Method:
    """What `build(task, **hparams)` of a method file returns: loss terms, and how they add up.

    `terms(model, batch, generator)` draws its group elements from the generator alone. Training
    that is `constrained` keeps its last state, which meets the constraint, not its best one.
    """

    terms: Callable[[Model, Batch, Generator], Terms]
    penalty: Callable[[Terms], Tensor]
    constrained: bool = False

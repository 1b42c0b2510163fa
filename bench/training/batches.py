"""The order in which a training sees its samples."""

from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from remul import Batch


@dataclass
class Batches:
    """Endless batches of one size, each pass over the samples in a fresh random order."""

    data: Batch
    size: int
    generator: Generator
    pool: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> Batch:
        while len(self.pool) < self.size:
            order = torch.randperm(len(self.data), generator=self.generator)
            self.pool = torch.cat([self.pool, order])
        batch, self.pool = self.data[self.pool[: self.size]], self.pool[self.size :]
        return batch

    def state_dict(self) -> dict[str, Tensor]:
        """Return what the following batches depend on."""
        return {"pool": self.pool, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue where `state_dict` was taken."""
        self.pool = state["pool"]
        self.generator.set_state(state["generator"])

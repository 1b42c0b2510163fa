"""The order in which a training sees its samples."""

from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from remul import Batch
from remul.values import send


@dataclass
class Batches:
    """Endless batches of one size, each pass over the samples in a fresh random order."""

    data: Batch
    size: int
    generator: Generator
    pool: Tensor = field(init=False)  # on the device of the data, to pick from it without waiting

    def __post_init__(self) -> None:
        self.pool = torch.empty(0, dtype=torch.long, device=self.data.device)

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> Batch:
        while len(self.pool) < self.size:
            order = torch.randperm(len(self.data), generator=self.generator)
            self.pool = torch.cat([self.pool, send(order, self.data.device)])
        batch, self.pool = self.data[self.pool[: self.size]], self.pool[self.size :]
        return batch

    def state_dict(self) -> dict[str, Tensor]:
        """Return what the following batches depend on."""
        return {"pool": self.pool, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue where `state_dict` was taken."""
        self.pool = send(state["pool"], self.data.device)
        self.generator.set_state(state["generator"])

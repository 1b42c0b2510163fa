"""Inputs and targets of the same samples, of which an index picks some."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data._utils.collate import collate, default_collate_fn_map

from remul.fields import BATCH, UNTYPED, Fields
from remul.layouts import Index, Layout, Ragged, join, layout_of


@dataclass(eq=False)  # not frozen: Lightning casts the fields of a copy in place
class Batch:
    """Inputs and targets of the same samples; an index picks samples of both.

    A `torch.utils.data.DataLoader` takes it as a data set and gives batches of it.

    Args:
        inputs: Fields that the model is given; with `batch` among them both sides are ragged.
        targets: Fields that it is to predict.
        objects: Of ragged fields, `Rep.objects` of those that do not belong to one object: 0 for a
            sample, 2 for an edge. An index and a loader ask it.

    Raises:
        ValueError: When an index picks ragged samples, for fields that `objects` does not fit, and
            for those it leaves out where edges, as many as objects, are of other samples.

    Example:
        >>> batch = Batch({"x": torch.zeros(5, 4, 3)}, {"energy": torch.zeros(5, 1)})
        >>> len(batch[:2])
        2
        >>> [len(part) for part in torch.utils.data.DataLoader(batch, batch_size=3)]
        [3, 2]
        >>> ragged = {"x": torch.zeros(7, 3), "batch": torch.tensor([0] * 5 + [1] * 2)}
        >>> Batch(ragged, {"energy": torch.zeros(2, 1)}, objects={"energy": 0})[1].inputs["x"].shape
        torch.Size([2, 3])
    """

    inputs: Fields
    targets: Fields
    objects: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return self._layout.size

    def __getitem__(self, index: Index) -> "Batch":
        sides = (self.inputs, self.targets)
        inputs, targets = (self._layout.take(side, self.objects, index) for side in sides)
        rest = {name: 1 for name in (*inputs, *targets) if name not in UNTYPED}
        return Batch(inputs, targets, {**rest, **self.objects})

    def __getitems__(self, indices: Sequence[int]) -> "Batch":
        """Return some samples at once, as loaders ask for them."""
        return self[torch.as_tensor(indices)]

    @property
    def device(self) -> torch.device:
        """Where the fields are."""
        return next(iter(self.inputs.values())).device

    def to(
        self,
        *args: torch.device | torch.dtype | str,
        **options: torch.device | torch.dtype | str | bool,
    ) -> "Batch":
        """Return the same samples on another device or in another floating dtype.

        Takes what `Tensor.to` does, such as `non_blocking=True`. Fields of integers keep their
        dtype.
        """
        places = [arg for arg in args if not isinstance(arg, torch.dtype)]
        kept = {name: option for name, option in options.items() if name != "dtype"}
        target: dict[bool, tuple[Any, Any]]  # by whether the field is floating
        target = {True: (args, options), False: (places, kept)}

        def send(x: Tensor) -> Tensor:
            where, how = target[x.is_floating_point()]
            return x.to(*where, **how)

        return self._map(send)

    def pin_memory(self) -> "Batch":
        """Return the same samples in memory from which a GPU copies without waiting."""
        return self._map(Tensor.pin_memory)

    def _map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        inputs, targets = (
            {k: function(x) for k, x in f.items()} for f in (self.inputs, self.targets)
        )
        return Batch(inputs, targets, self.objects)

    @property
    def _layout(self) -> Layout:
        """How the fields lie, kept for as long as their indices are the same tensors."""
        kept = self.__dict__.get("_kept")
        if isinstance(kept, Ragged) and kept.is_of(self.inputs):
            return kept
        self.__dict__["_kept"] = kept = layout_of(self.inputs)
        return kept


def _collate(samples: Batch | Sequence[Batch], *, collate_fn_map: dict | None = None) -> Batch:
    """Return single samples as a batch, ragged ones one after another."""
    if isinstance(samples, Batch):
        return samples
    ragged = BATCH in samples[0].inputs
    sides = ([s.inputs for s in samples], [s.targets for s in samples])
    joint = [join(s) if ragged else collate(s, collate_fn_map=collate_fn_map) for s in sides]
    return Batch(*cast("list[Fields]", joint), objects=samples[0].objects)


default_collate_fn_map[Batch] = _collate  # torch's way to have a type of one's own collated

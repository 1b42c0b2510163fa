"""Ragged samples as padded ones, for networks in which all objects of a sample meet."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from models.layers.samples import check_ragged
from remul.fields import BATCH, EDGE_INDEX, MASK, Fields, Signature, Types


class Padding(NamedTuple):
    """Blocks for ragged objects: of `size` (samples, n), the `places` (N,) of objects in them."""

    size: tuple[int, int]
    places: Tensor

    def pad(self, x: Tensor) -> Tensor:
        """Return values of objects, (N, ...), as (samples, n, ...), zero at padding."""
        blocks = x.new_zeros(self.size[0] * self.size[1], *x.shape[1:])
        return blocks.index_copy(0, self.places, x).unflatten(0, self.size)

    def pad_pairs(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return values of edges, (E, ...), as (samples, n receivers, n senders, ...)."""
        samples, n = self.size
        sender, receiver = self.places[edge_index]
        blocks = x.new_zeros(samples * n * n, *x.shape[1:])
        return blocks.index_copy(0, receiver * n + sender % n, x).unflatten(0, (samples, n, n))

    def unpad(self, x: Tensor) -> Tensor:
        """Return values in blocks, (samples, n, ...), as (N, ...)."""
        return x.flatten(0, 1).index_select(0, self.places)


def find_padding(sample: Tensor) -> Padding:
    """Return blocks for objects, given the sample of each, (N,) in order."""
    counts = sample.bincount()
    n = int(counts.max()) if len(counts) else 0
    first = (counts.cumsum(0) - counts)[sample]
    places = torch.arange(len(sample), device=sample.device) - first + sample * n
    return Padding((len(counts), n), places)


def call_padded(
    function: Callable[[Fields], Fields], inputs: Fields, signature: Signature
) -> Fields:
    """Return the outputs of a function of padded samples, for ragged inputs ragged as well."""
    if BATCH not in inputs:
        return function(inputs)
    check_ragged(inputs, signature.inputs)
    padding = find_padding(inputs[BATCH])
    outputs = function(_pad_fields(inputs, signature.inputs, padding))
    return {
        name: padding.unpad(x) if signature.outputs[name].objects else x
        for name, x in outputs.items()
    }


def _pad_fields(inputs: Fields, types: Types, padding: Padding) -> Fields:
    """Return the fields padded, beside their mask."""
    fields = {MASK: padding.pad(torch.ones_like(inputs[BATCH]).unsqueeze(-1))}
    for name, rep in types.items():
        if rep.objects == 2:
            fields[name] = padding.pad_pairs(inputs[name], inputs[EDGE_INDEX])
        else:
            fields[name] = padding.pad(inputs[name]) if rep.objects else inputs[name]
    return fields

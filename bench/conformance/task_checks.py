"""Whether a task keeps its contract, and which of its fields turn."""

from collections.abc import Iterator

import torch
from torch import Tensor

from bench.conformance import data_symmetry
from bench.conformance.result import Finding, failed
from bench.core.contracts import Task
from remul import Batch
from remul.checks import check
from remul.fields import MASK, Signature


def examine_data(task: Task, symmetric: bool) -> Iterator[Finding]:
    """Whether every split fits the signature, and which fields turn with the points."""
    splits = {"train": task.train, "val": task.val, **task.splits}
    found = [_examine_split(name, batch, task.signature) for name, batch in splits.items()]
    yield from found
    if failed(found):
        return
    types = {**task.signature.inputs, **task.signature.outputs}
    turning = data_symmetry.fields_that_turn(task.train, task.signature)
    if not turning:
        text = "no points without padding, so the samples do not tell which turn"
        yield Finding("fields", text, False if symmetric else None)
    for field, turns in turning.items():
        declared = f"declared {types[field].irreps!r}"
        told = {True: "turns with the points", False: "does not turn with the points"}
        text = told.get(turns, "these samples do not tell whether it turns")
        yield Finding(f"field {field!r}", f"{text}, {declared}", turns if symmetric else None)


def _examine_split(name: str, batch: Batch, signature: Signature) -> Finding:
    try:
        check(batch.inputs, signature.inputs)
        check(batch.targets, signature.outputs)
        for field, x in {**batch.inputs, **batch.targets}.items():
            _check_values(field, x)
            _check_precision(field, x)
    except ValueError as error:
        return Finding(f"split {name!r}", str(error), False)
    return Finding(f"split {name!r}", f"{len(batch)} samples that fit the signature", True)


def _check_values(field: str, x: Tensor) -> None:
    if field != MASK and not x.isfinite().all():
        raise ValueError(f"field {field!r} holds values that are not finite")


def _check_precision(field: str, x: Tensor) -> None:
    if field != MASK and x.dtype != torch.float32:
        raise ValueError(f"field {field!r} is {x.dtype}, networks are trained in torch.float32")

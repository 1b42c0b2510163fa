"""Whether a task keeps its contract, and which of its fields turn."""

from collections.abc import Iterator

import torch
from torch import Tensor

from bench.conformance import data_symmetry
from bench.conformance.result import CheckResult, has_failed
from bench.core.contracts import Task
from remul import Batch
from remul.checks import check
from remul.fields import MASK, UNTYPED, Signature


def check_task(task: Task, symmetric: bool) -> Iterator[CheckResult]:
    """Yield whether every split fits the signature, and which fields turn with the points."""
    splits = {"train": task.train, "val": task.val, **task.splits}
    results = [_check_split(name, batch, task.signature) for name, batch in splits.items()]
    yield from results
    if has_failed(results):
        return
    types = {**task.signature.inputs, **task.signature.outputs}
    turning = data_symmetry.fields_that_turn(task.train, task.signature)
    if turning is None:
        text = "no points, or objects that differ in number: the samples do not tell which turn"
        yield CheckResult("fields", text, False if symmetric else None)
    elif not turning:
        yield CheckResult("fields", "none above l = 0 beside the points", symmetric or None)
    for field, turns in (turning or {}).items():
        declared = f"declared {types[field].irreps!r}"
        words = {True: "turns with the points", False: "does not turn with the points"}
        text = words.get(turns, "these samples do not tell whether it turns")
        yield CheckResult(f"field {field!r}", f"{text}, {declared}", turns if symmetric else None)


def _check_split(name: str, batch: Batch, signature: Signature) -> CheckResult:
    try:
        layout = check(batch.inputs, signature.inputs)
        check(batch.targets, signature.outputs, layout)
        for field, x in {**batch.inputs, **batch.targets}.items():
            check_values(field, x)
            _check_precision(field, x)
    except ValueError as error:
        return CheckResult(f"split {name!r}", str(error), False)
    return CheckResult(f"split {name!r}", f"{len(batch)} samples that fit the signature", True)


def check_values(field: str, x: Tensor) -> None:
    """Raise `ValueError`, naming the field, if it holds values that are not finite."""
    if field != MASK and not x.isfinite().all():
        raise ValueError(f"field {field!r} holds values that are not finite")


def _check_precision(field: str, x: Tensor) -> None:
    if field not in UNTYPED and x.dtype != torch.float32:
        raise ValueError(f"field {field!r} is {x.dtype}, networks are trained in torch.float32")

"""A user's task and model files, checked: what `try` prints, the slow results last."""

from collections.abc import Iterator
from traceback import extract_tb

from torch import nn

from bench.conformance.model_checks import check_model
from bench.conformance.result import CheckResult, collect, has_failed
from bench.conformance.speed_check import measure_speed
from bench.conformance.task_checks import check_task
from bench.core import notation
from bench.core.config import Plugin, Run
from bench.core.contracts import Task
from bench.core.outcomes import explain
from bench.training.build import build


def check(model: str, task: str, symmetric: bool, device: str) -> Iterator[CheckResult]:
    """Yield all results on a model file and a task file, the slow ones last.

    Of a task that is `symmetric` every field has to turn with the points. Raises `ValueError` for
    plug-ins that are not there or cannot be built.
    """
    run = Run(notation.parse("tasks", task), notation.parse("models", model), Plugin("plain"))
    data, network = _build(run, device)
    results = list(check_task(data, symmetric))
    yield from results
    if has_failed(results):
        return
    results = collect("model", check_model(run.model, network, data))
    yield from results
    if not has_failed(results):
        yield from collect("speed", measure_speed(run, device))


def _build(run: Run, device: str) -> tuple[Task, nn.Module]:
    """Return task and model; what their files raise is one line, with its place."""
    try:
        return build(run, device)[:2]
    except (KeyboardInterrupt, OSError, ValueError):
        raise
    except BaseException as error:
        place = extract_tb(error.__traceback__)[-1]
        raise ValueError(f"{place.filename}, line {place.lineno}: {explain(error)}") from None

"""A user's task and model files, checked: what `try` finds, the slow findings last."""

from collections.abc import Iterator
from traceback import extract_tb

from torch import nn

from bench.conformance.model_checks import examine_model
from bench.conformance.result import Finding, failed
from bench.conformance.speed_check import examine_speed
from bench.conformance.task_checks import examine_data
from bench.core import plugins
from bench.core.config import Plugin, Run
from bench.core.contracts import Task
from bench.core.outcomes import outcome
from bench.training.build import build


def attempt(model: str, task: str, symmetric: bool, device: str) -> Iterator[Finding]:
    """All findings on a model file and a task file, the slow ones last.

    Of a task that is `symmetric` every field has to turn with the points. Raises `ValueError` for
    plug-ins that are not there or cannot be built.
    """
    run = Run(plugins.parse("tasks", task), plugins.parse("models", model), Plugin("plain"))
    data, network = _built(run, device)
    found = list(examine_data(data, symmetric))
    yield from found
    if failed(found):
        return
    found = list(examine_model(run.model.name, network, data))
    yield from found
    if not failed(found):
        yield from examine_speed(run, device)


def _built(run: Run, device: str) -> tuple[Task, nn.Module]:
    """Task and model; what their files raise is told in one line, with its place."""
    try:
        return build(run, device)[:2]
    except (OSError, ValueError):
        raise
    except Exception as error:
        place = extract_tb(error.__traceback__)[-1]
        reason = outcome(error)["reason"]
        raise ValueError(f"{place.filename}, line {place.lineno}: {reason}") from None

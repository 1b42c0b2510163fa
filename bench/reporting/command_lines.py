"""The commands that run configurations again, or with more seeds."""

import shlex
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

from bench.core import notation, plugins
from bench.core.config import Plugin, Run
from bench.records.speed_record import SpeedRecord

WRITTEN = ("task", "model", "method", "steps", "seed")  # by flags of their own
RUN = ("python", "-m", "bench", "run", "--task")


def write_commands(runs: Iterable[Run], seeds: int) -> list[str]:
    """Return the commands that bring configurations to so many seeds, counted from 0.

    What differs in the model alone is one command.
    """
    models: dict[tuple[str, ...], list[str]] = {}
    for run in runs:
        models.setdefault(_write_rest(run), []).append(_write(run.model))
    return [
        shlex.join([*RUN, task, "--models", *dict.fromkeys(names), *rest, "--seeds", f"{seeds}"])
        for (task, *rest), names in models.items()
    ]


def _write_rest(run: Run) -> tuple[str, ...]:
    """Return the task of a run, and the flags after its model."""
    changed = [
        f"{field.name}={getattr(run, field.name)}"
        for field in fields(Run)
        if field.name not in WRITTEN and getattr(run, field.name) != field.default
    ]
    settings = ["--set", *changed] if changed else []
    flags = ["--methods", _write(run.method), "--steps", f"{run.steps}", *settings]
    return _write(run.task), *flags


def _write(plugin: Plugin) -> str:
    """Return a plug-in as `notation.parse` reads it; keys tell 2 from 2.0, so a float stays one."""
    options = [f"{key}={_write_value(value)}" for key, value in sorted(plugin.kwargs.items())]
    return f"{plugin.name}:{','.join(options)}" if options else plugin.name


def _write_value(value: Any) -> str:  # noqa: ANN401 - any option
    """Return an option's value; a text that would be read as another one is quoted."""
    if isinstance(value, str) and ("," in value or notation.parse_value(value) != value):
        return repr(value).replace(",", r"\x2c")
    return str(value)


def _without_size(model: Plugin, scale: str) -> Plugin:
    """Return the model without the options that `--size` chooses."""
    chosen: dict[str, Any] = {}
    if scale == "paper":
        with suppress(ValueError):  # its file is gone
            chosen = plugins.paper_options(model.name)
    elif scale != "default":
        chosen = {"channels": model.kwargs.get("channels")}
    given = {key: value for key, value in model.kwargs.items() if chosen.get(key) != value}
    return replace(model, kwargs=given)


def write_speed_command(record: SpeedRecord) -> str:
    """Return the command that times a case of the speed grid again."""
    case = record.cell
    words = [
        "speed",
        "--models",
        _write(_without_size(case.model, record.scale)),
        "--nodes",
        f"{case.nodes}",
    ]
    words += ["--batch", f"{case.batch}", "--modes", case.mode, "--dtypes", case.dtype]
    words += ["--size", record.scale] if record.scale != "default" else []
    words += ["--device", "cuda"] if record.machine.gpu else []
    return shlex.join(["python", "-m", "bench", *words, "--force"])

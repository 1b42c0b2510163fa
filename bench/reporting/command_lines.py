"""The commands that run configurations again, or with more seeds."""

import shlex
from collections.abc import Iterable
from dataclasses import fields

from bench.core.config import Plugin, Run
from bench.records.speed_record import SpeedRecord

WRITTEN = ("task", "model", "method", "steps", "seed")  # by flags of their own
MODELS = "MODELS"


def write_commands(runs: Iterable[Run], seeds: int) -> list[str]:
    """Return the commands that bring configurations to so many seeds, counted from 0.

    What differs in the model alone is one command.
    """
    models: dict[str, list[str]] = {}
    for run in runs:
        models.setdefault(_write_rest(run), []).append(shlex.quote(_write(run.model)))
    return [
        rest.replace(MODELS, " ".join(dict.fromkeys(names)), 1) + f" --seeds {seeds}"
        for rest, names in models.items()
    ]


def _write_rest(run: Run) -> str:
    flags = ["--task", _write(run.task), "--models", MODELS, "--methods", _write(run.method)]
    changed = [
        f"{field.name}={getattr(run, field.name)}"
        for field in fields(Run)
        if field.name not in WRITTEN and getattr(run, field.name) != field.default
    ]
    settings = ["--set", *changed] if changed else []
    return shlex.join(
        ["python", "-m", "bench", "run", *flags, "--steps", f"{run.steps}", *settings]
    )


def _write(plugin: Plugin) -> str:
    """Return a plug-in as `plugins.parse` reads it; keys tell 2 from 2.0, so a float stays one."""
    options = ",".join(f"{key}={value}" for key, value in sorted(plugin.kwargs.items()))
    return f"{plugin.name}:{options}" if options else plugin.name


def write_speed_command(record: SpeedRecord) -> str:
    """Return the command that times a case of the speed grid again."""
    case = record.cell
    words = ["speed", "--models", case.model.name, "--nodes", f"{case.nodes}"]
    words += ["--batch", f"{case.batch}", "--modes", case.mode, "--dtypes", case.dtype]
    words += ["--size", record.scale] if record.scale != "default" else []
    words += ["--device", "cuda"] if record.machine.gpu else []
    return shlex.join(["python", "-m", "bench", *words, "--force"])

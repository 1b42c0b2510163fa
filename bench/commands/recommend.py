"""`recommend`: what to use of a task within limits."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from math import inf
from typing import TYPE_CHECKING

from bench.commands import MISSING, OK, _options

if TYPE_CHECKING:
    from bench.records.run_record import RunRecord

EXAMPLE = "recommend nbody_gravity --max-ms 5 --results results/published"


def arguments(command: ArgumentParser) -> None:
    """Add what the command line takes."""
    command.add_argument(
        "task", type=_options.task, help="its name, or with options as in nbody_gravity:val=500"
    )
    for name, text in (
        ("ms", "milliseconds of an inference at the batch size of the runs"),
        ("error", "mean squared error on the test split"),
        ("memory", "megabytes alive at once that an inference makes"),
    ):
        command.add_argument(
            f"--max-{name}",
            type=_positive,
            default=inf,
            metavar="X",
            help=f"at most so many {text}",
        )
    command.add_argument(
        "--device", choices=("cpu", "cuda"), help="what ran there alone (default: either)"
    )
    _options.results_argument(command)


def run(options: Namespace) -> int:
    """say which row to use of a task within limits, with the evidence, or what to run to know"""
    from bench.reporting.findings.evidence import collect_evidence
    from bench.reporting.recommendation import Limits, recommend

    limits = Limits(options.max_ms, options.max_error, options.max_memory)
    machines, answers = _options.read_machines(options), []
    for root, records in machines.items():
        own = [record for record in records if _is_on(record, options.device)]
        peaks = {r.key: p / 1e6 for r in own if (p := r.counters.get("peak_bytes")) is not None}
        for evidence in collect_evidence(own):
            if options.task in (evidence.task, evidence.task.partition("(")[0]):
                lines, fits = recommend(evidence, peaks, limits)
                answers.append(fits)
                print("\n".join([f"{evidence.task}, {root.name}", *lines, ""]))
    if not answers:
        print(_say_unknown(options, machines))
    return OK if any(answers) else MISSING


def _is_on(record: RunRecord, device: str | None) -> bool:
    return device is None or bool(record.machine.gpu) == (device == "cuda")


def _say_unknown(options: Namespace, machines: dict) -> str:
    from bench.core import plugins

    name = options.task.partition("(")[0]
    plugins.find("tasks", name)
    there = sorted({r.run.task.stem for records in machines.values() for r in records})
    device = f" --device {options.device}" if options.device else ""
    command = (
        f"python -m bench run --task {name} --models egnn transformer --methods plain remul:10"
    )
    return (
        f"nothing is known of {options.task}{' there' * bool(device)}, only of {', '.join(there)}; "
        f"to know: {command} --seeds 5{device}"
    )


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < inf:
        raise ArgumentTypeError(f"{text!r} is no limit; write a number above 0")
    return value

"""`recommend`: what to use of a task within limits."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from itertools import chain
from math import inf
from typing import TYPE_CHECKING

from bench.commands import MISSING, OK, _options

if TYPE_CHECKING:
    from bench.records.run_record import RunRecord

EXAMPLE = "recommend nbody_gravity --max-ms 5 --results results/published"


def arguments(command: ArgumentParser) -> None:
    """Add what the command line takes."""
    text = "as in nbody_gravity (with any options), nbody_gravity:val=500 or my_task.py"
    command.add_argument("task", help=text)
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
    task = _options.label_task(options.task)
    machines, answers = _options.read_machines(options), []
    for root, records in machines.items():
        own = [record for record in records if _is_on(record, options.device)]
        peaks = {r.key: p / 1e6 for r in own if (p := r.counters.get("peak_bytes")) is not None}
        for evidence in collect_evidence(own):
            if task in (evidence.task, evidence.task.partition("(")[0]):
                lines, fits = recommend(evidence, peaks, limits)
                answers.append(fits)
                print("\n".join([f"{evidence.task}, {root.name}", *lines, ""]))
    if not answers:
        print(_say_unknown(options, [*chain(*machines.values())]))
    return OK if any(answers) else MISSING


def _is_on(record: RunRecord, device: str | None) -> bool:
    return device is None or bool(record.machine.gpu) == (device == "cuda")


def _say_unknown(options: Namespace, records: list[RunRecord]) -> str:
    from bench.core import notation

    names = {record.run.task.stem: record.run.task.name for record in records}
    known = sorted({r.run.task.stem for r in records if _is_on(r, options.device)})
    task = re.sub(r"\(.*\)$", "", options.task)  # as tables write its options
    if task not in names:
        notation.parse("tasks", task)
    words = ["run", "--task", names.get(task, task), "--models", "egnn", "transformer"]
    words += ["--methods", "plain", "remul:10", "--seeds", "5"]
    words += ["--device", options.device] if options.device else []
    others = f", only of {', '.join(known)}" if known else ""
    return (
        f"nothing is known of {options.task}{' there' * bool(options.device)}{others}; "
        f"to know: {shlex.join(['python', '-m', 'bench', *words])}"
    )


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < inf:
        raise ArgumentTypeError(f"{text!r} is no limit; write a number above 0")
    return value

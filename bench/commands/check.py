"""`check`: the regression gate against a reference file."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from bench.commands import MISSING, OK, _options
from bench.commands.compare import report, report_argument
from bench.commands.speed import models_argument
from bench.core import plugins
from bench.system import machine

EXAMPLE = "check --junit speed.xml"


def arguments(command: ArgumentParser) -> None:
    """Add what the command line takes."""
    command.add_argument(
        "--reference",
        type=Path,
        default=_options.PUBLISHED / "reference.json",
        metavar="FILE",
        help="default: results/published/reference.json",
    )
    command.add_argument("--update", action="store_true", help="write the reference instead")
    models_argument(command)
    command.add_argument("--device", default="cpu", metavar="D", help="cpu (default) or cuda")
    text = "after this time no change is measured again (default: no limit)"
    _options.budget_argument(command, float("inf"), text)
    report_argument(command)


def run(options: Namespace) -> int:
    """gate on exact counters everywhere, and on times where the reference was measured"""
    from bench.regression import compare, reference
    from bench.regression.noise import read_noise
    from bench.system.progress import telling

    if options.update and options.models:
        raise ValueError("--models goes with a check; --update writes all of the reference")
    file, root = options.reference, options.results / machine.folder(options.device)
    _options.check_temporary_folder()
    if options.update:
        grid = reference.list_cases(plugins.networks())
        with telling() as tell:
            reference.update(file, grid, root.name, options.device, tell)
        return OK
    if not file.is_file():
        error = f"error: no reference {file}; 'python -m bench check --update' writes one"
        print(error, file=sys.stderr)
        return MISSING
    base = compare.read_records(file)
    if options.models:
        base = reference.select(base, options.models)
    noise, notes = read_noise(root)
    check = reference.ReferenceCheck(base, root.name, options.device, noise["floor"])
    with telling() as tell:
        verdicts, differences = check.judge(options.budget, tell)
    return report(options, verdicts, differences, notes)

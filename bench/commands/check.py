"""`check`: the regression gate against a reference file."""

import sys
from argparse import ArgumentParser, Namespace
from contextlib import redirect_stdout
from pathlib import Path

from bench.commands import MISSING, OK, _options
from bench.commands.compare import report, report_argument
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
    command.add_argument("--device", default="cpu", metavar="D", help="cpu (default) or cuda")
    report_argument(command)


def run(options: Namespace) -> int:
    """gate on exact counters everywhere, and on times where the reference was measured"""
    from bench.regression import compare, reference
    from bench.regression.noise import read_noise

    file = options.reference
    root = options.results / machine.folder(options.device)
    with redirect_stdout(sys.stderr):
        if options.update:
            grid = reference.list_cases(plugins.networks())
            reference.update(file, grid, root.name, options.device)
            return OK
        if not file.is_file():
            print(f"error: no reference {file}; 'python -m bench check --update' writes one")
            return MISSING
        noise, notes = read_noise(root)
        base = compare.read_records(file)
        verdicts, differences = reference.check(base, root.name, options.device, noise["floor"])
    return report(options, verdicts, differences, notes)

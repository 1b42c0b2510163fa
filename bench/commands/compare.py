"""`compare`: two stored sets of timings, or this checkout and another revision."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from bench.commands import MISSING, OK, REGRESSED, _options
from bench.commands.speed import models_argument
from bench.core import plugins
from bench.core.config import Plugin
from bench.system import machine
from bench.system.checkout import ROOT

EXAMPLE = "compare --base main --models egnn --budget 3m"
NODES, BATCH = 20, 32


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    text = "a machine's folder, or a file, of speed records"
    command.add_argument("A", nargs="?", type=Path, help=f"the base: {text}")
    command.add_argument("B", nargs="?", type=Path, help=f"the new: {text}")
    command.add_argument("--base", metavar="REF", help="re-measure this git revision and today's")
    models_argument(command)
    command.add_argument("--device", default="cpu", metavar="D", help="cpu (default) or cuda")
    _options.budget_argument(command, 600.0, "time for --base (default 10m)")
    report_argument(command)


def report_argument(command: ArgumentParser) -> None:
    """What the commands that judge take in common."""
    command.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML too")
    _options.results_argument(command)


def run(options: Namespace) -> int:
    """say what became slower: two folders of records, or this checkout and a git revision"""
    from bench.regression import compare
    from bench.regression import noise as regression_noise
    from bench.system.protocol import ProtocolError

    if (options.base is None) == (options.B is None) or (options.base and options.A):
        raise ValueError("compare takes two folders or files, or --base REF")
    if options.models and not options.base:
        raise ValueError("--models goes with --base REF")
    here = options.results / machine.folder(options.device)
    machine_of = options.A.parent if options.A and options.A.name == "speed" else options.A
    noise, notes = regression_noise.noise_of(
        machine_of if machine_of and machine_of.is_dir() else here
    )
    if options.base is None:
        base, new = compare.stored(options.A), compare.stored(options.B)
        found = compare.of_records(base, new, noise["floor"])
        return report(options, found, compare.differences(base, new), notes)
    try:
        found = _against_base(options, noise)
    except ProtocolError as error:
        return report(options, [], [], [f"{options.base} {error}"])
    return report(options, found, [f"code: {options.base} / this checkout"], notes)


def _against_base(options: Namespace, noise: dict) -> list:
    from bench.core.cases import Cell
    from bench.regression.revisions import Duel
    from bench.system.checkout import checkout

    names = options.models or plugins.networks()
    for name in names:
        plugins.find("models", name)
        if name.endswith(".py"):
            raise ValueError(f"--base compares models that git knows by name, not {name}")
    grid = [Cell(Plugin(name), NODES, BATCH) for name in names]
    with checkout(options.base) as tree:
        duel = Duel((tree, ROOT), options.device, noise["floor"], noise["rounds"])
        return duel.findings(grid, options.budget)


def report(options: Namespace, found: list, differences: list[str], notes: list[str]) -> int:
    """Prints the report, writes the XML that was asked for, and returns the exit code."""
    from bench.records import files
    from bench.regression import report as regression_report

    print(regression_report.markdown(found, differences, notes), end="")
    if options.junit:
        files.write_whole(options.junit, regression_report.junit(found))
    return exit_code(found)


def exit_code(found: list) -> int:
    """1 if something regressed, 3 if nothing could be compared, else 0."""
    from bench.regression import verdicts

    told = {one.verdict for one in found}
    if verdicts.REGRESSED in told:
        return REGRESSED
    return OK if told - {verdicts.INCOMPARABLE} else MISSING

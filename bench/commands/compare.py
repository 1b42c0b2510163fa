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
    """Add what the command line takes."""
    text = "a machine's folder, or a file, of speed records"
    command.add_argument("A", nargs="?", type=Path, help=f"the base: {text}")
    command.add_argument("B", nargs="?", type=Path, help=f"the new: {text}")
    command.add_argument("--base", metavar="REF", help="re-measure this git revision and today's")
    command.add_argument(
        "--history", nargs="?", type=Path, metavar="FILE",
        const=_options.PUBLISHED / "reference.json",
        help="steps over the committed revisions of a file of records (default: the reference)",
    )  # fmt: skip
    models_argument(command)
    command.add_argument("--device", default="cpu", metavar="D", help="cpu (default) or cuda")
    _options.budget_argument(command, 600.0, "time for --base (default 10m)")
    report_argument(command)


def report_argument(command: ArgumentParser) -> None:
    """Add what the commands that judge take in common."""
    command.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML too")
    _options.results_argument(command)


def run(options: Namespace) -> int:
    """say what became slower: two folders of records, or this checkout and a git revision"""
    from bench.regression import compare
    from bench.regression.differences import list_differences
    from bench.regression.noise import read_noise
    from bench.system.protocol import ProtocolError

    if options.history:
        return _follow(options)
    if (options.base is None) == (options.B is None) or (options.base and options.A):
        raise ValueError("compare takes two folders or files, or --base REF")
    if options.models and not options.base:
        raise ValueError("--models goes with --base REF")
    here = options.results / machine.folder(options.device)
    machine_of = options.A.parent if options.A and options.A.name == "speed" else options.A
    noise, notes = read_noise(machine_of if machine_of and machine_of.is_dir() else here)
    if options.base is None:
        base, new = compare.read_records(options.A), compare.read_records(options.B)
        verdicts = compare.judge_records(base, new, noise["floor"])
        return report(options, verdicts, list_differences(base, new), notes)
    try:
        verdicts = _compare_base(options, noise)
    except ProtocolError as error:
        return report(options, [], [], [f"{options.base} {error}"])
    return report(options, verdicts, [f"code: {options.base} / this checkout"], notes)


def _follow(options: Namespace) -> int:
    """Print the speed over the revisions of a file; 1 if the last step of one was slower."""
    from bench.regression import history
    from bench.regression.noise import read_noise

    if options.A or options.base or options.models or options.junit:
        raise ValueError("--history goes with --results and --device alone")
    noise, notes = read_noise(options.results / machine.folder(options.device))
    revisions, problems = history.read_revisions(options.history)
    tracks = history.follow(revisions, noise["floor"])
    print(history.markdown(tracks, [*notes, *problems]), end="")
    if any(track.is_slower for track in tracks.values()):
        return REGRESSED
    return OK if any(track.revisions > 1 for track in tracks.values()) else MISSING


def _compare_base(options: Namespace, noise: dict) -> list:
    from bench.core.cases import SpeedCase
    from bench.regression.revisions import RevisionComparison
    from bench.system.checkout import checkout
    from bench.system.progress import telling

    names = options.models or plugins.networks()
    for name in names:
        plugins.find("models", name)
        if name.endswith(".py"):
            raise ValueError(f"--base compares models that git knows by name, not {name}")
    _options.check_temporary_folder()
    grid = [SpeedCase(Plugin(name), NODES, BATCH) for name in names]
    with checkout(options.base) as tree, telling() as tell:
        limits = (noise["floor"], noise["rounds"])
        revisions = RevisionComparison((tree, ROOT), options.device, *limits)
        return revisions.judge(grid, options.budget, tell)


def report(options: Namespace, verdicts: list, differences: list[str], notes: list[str]) -> int:
    """Print the report, write the XML that was asked for, and return the exit code."""
    from bench.records import files
    from bench.regression.report import junit, markdown

    print(markdown(verdicts, differences, notes), end="")
    if options.junit:
        files.write_whole(options.junit, junit(verdicts))
    return exit_code(verdicts)


def exit_code(verdicts: list) -> int:
    """Return 1 if something regressed, 3 if nothing is compared, or less than is gone, else 0.

    And 3 where networks moved beside the unit and no time was judged.
    """
    from bench.regression.compare import ALIKE
    from bench.regression.verdicts import GONE, INCOMPARABLE
    from bench.regression.verdicts import REGRESSED as SLOWER

    words = [row.verdict for row in verdicts]
    if SLOWER in words:
        return REGRESSED
    judged = any(row.comparison and row.verdict != INCOMPARABLE for row in verdicts)
    if not judged and any(row.why == ALIKE for row in verdicts):
        return MISSING
    gone = words.count(GONE)
    return OK if len(words) - words.count(INCOMPARABLE) - gone > gone else MISSING

"""`merge`: records of several folders in one."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from bench.commands import OK, _options

EXAMPLE = "merge results/local/here elsewhere/there --into results/local/pooled"


def arguments(command: ArgumentParser) -> None:
    """Add what the command line takes."""
    text = "folder of a machine, as results/local/<machine>"
    command.add_argument("sources", nargs="+", type=_options.folder, metavar="FROM", help=text)
    command.add_argument(
        "--into", type=_options.folder, required=True, metavar="DIR",
        help="folder to add to; its times stay those of one machine: whose times it has, else that "
        "of its name, else the first FROM",
    )  # fmt: skip


def run(options: Namespace) -> int:
    """pool the errors of several machines in one folder; times of different ones never mix"""
    from bench.records import files
    from bench.records.merging import Merger, find_clock

    target = options.into.resolve()
    sources = [_check(source.resolve(), target) for source in options.sources]
    files.check_writable(target)
    merger = Merger(target, find_clock(target, sources))
    for source in sources:
        merger.add_runs(source)
        merger.add_times(source)
    print("\n".join(merger.describe()))
    return OK


def _check(source: Path, target: Path) -> Path:
    if not any((source / kind).is_dir() for kind in ("runs", "speed", "peers")):
        raise ValueError(f"{source} is no folder of a machine: it has no runs, speed or peers")
    if source == target:
        raise ValueError(f"{source} cannot be merged into itself")
    return source

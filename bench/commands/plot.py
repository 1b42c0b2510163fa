"""`plot`: the figures of the records."""

from argparse import ArgumentParser, Namespace
from itertools import chain

from bench.commands import OK, _store

EXAMPLE = "plot"


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    _store.results_argument(command)


def run(options: Namespace) -> int:
    """rebuild the figures from the records"""
    from bench import plots

    for root, found in _store.stored(options).items():
        for file in chain.from_iterable(plots.write(root, found).values()):
            print(file)
    for root in _store.timed(options):
        for file in plots.speed.write(root):
            print(file)
    return OK

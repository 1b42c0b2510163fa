"""`plot`: the figures of the records."""

from argparse import ArgumentParser, Namespace
from itertools import chain

from bench.commands import OK, _options

EXAMPLE = "plot"


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    _options.results_argument(command)


def run(options: Namespace) -> int:
    """rebuild the figures from the records"""
    from bench.reporting import figures
    from bench.reporting.figures import speed

    for root, found in _options.stored(options).items():
        for file in chain.from_iterable(figures.write(root, found).values()):
            print(file)
    for root in _options.timed(options):
        for file in speed.write(root):
            print(file)
    return OK

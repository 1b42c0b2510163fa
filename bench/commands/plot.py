"""`plot`: the figures of the records."""

from argparse import ArgumentParser, Namespace
from itertools import chain

from bench.commands import OK, _options

EXAMPLE = "plot --format pdf"
FORMATS = ("png", "svg", "pdf")


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    command.add_argument("--format", choices=FORMATS, help="default: png, of --paper svg")
    command.add_argument(
        "--paper", action="store_true", help="for a column of a paper, under figures/paper"
    )
    _options.task_argument(command)
    _options.results_argument(command)


def run(options: Namespace) -> int:
    """draw the figures of the records that have changed, and print the files of all"""
    from bench.reporting.figures import draw_figures
    from bench.reporting.figures.discoveries import draw_discoveries
    from bench.reporting.figures.peers import draw_peer_figures
    from bench.reporting.figures.speed import draw_speed_figures
    from bench.reporting.figures.style import PAPER, SCREEN

    look = PAPER if options.paper else SCREEN
    form = options.format or ("svg" if options.paper else "png")
    for root, records in _options.read_machines(options, options.task).items():
        drawings = draw_figures(root, records, form, options.task, look)
        comparison = draw_discoveries(root, records, form, look) if options.task is None else []
        for drawing in chain(*drawings.values(), comparison):
            print(drawing.file)
    for root in _options.list_timed_machines(options) if options.task is None else []:
        for drawing in draw_speed_figures(root, form, look) + draw_peer_figures(root, form, look):
            print(drawing.file)
    return OK

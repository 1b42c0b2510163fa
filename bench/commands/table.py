"""`table`: the tables of the records."""

from argparse import ArgumentParser, Namespace

from bench.commands import OK, _options

EXAMPLE = "table --format md"
FORMATS = ("text", "md", "csv", "latex")


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    command.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    _options.task_argument(command)
    _options.results_argument(command)


def run(options: Namespace) -> int:
    """rebuild the tables from the records, and print them"""
    from bench.reporting import peers_table, runs_table, speed_table

    for root, found in _options.stored(options, options.task).items():
        print(runs_table.write(root, found, options.format, options.task))
    for root in _options.timed(options) if options.task is None else []:
        tables_of = (
            write(root, options.format) for write in (speed_table.write, peers_table.write)
        )
        print("\n".join(filter(None, tables_of)).rstrip("\n"))
    return OK

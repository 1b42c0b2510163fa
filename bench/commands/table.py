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
    from bench.reporting.peers_table import write_peers_table
    from bench.reporting.runs_table import write_runs_table
    from bench.reporting.speed_table import write_speed_table

    for root, records in _options.read_machines(options, options.task).items():
        print(write_runs_table(root, records, options.format, options.task))
    for root in _options.list_timed_machines(options) if options.task is None else []:
        tables = (write(root, options.format) for write in (write_speed_table, write_peers_table))
        print("\n".join(filter(None, tables)).rstrip("\n"))
    return OK

"""`table`: the tables of the records."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from bench.commands import OK, _options

if TYPE_CHECKING:
    from pathlib import Path

    from bench.records.run_record import RunRecord
    from bench.reporting.choice import Choice

EXAMPLE = "table --rows method=remul* --sort 'OOD MSE x 1e3'"
FORMATS = ("text", "md", "csv", "latex")


PAPER = ("1", "2", "3", "8", "9")  # tables of the paper


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    command.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    command.add_argument(
        "--columns", nargs="+", default=(), metavar="HEADING",
        help='these alone, such as "MSE x 1e3" "infer ms" "infer samples/s"',
    )  # fmt: skip
    command.add_argument(
        "--sort", metavar="HEADING", help="by a column; --sort=-HEADING: largest first"
    )
    command.add_argument(
        "--rows",
        nargs="+",
        default=(),
        metavar="HEADING=GLOB",
        help="as in model=egnn method=remul*",
    )
    command.add_argument(
        "--paper", choices=PAPER, help="a table of the paper, its numbers beside ours"
    )
    _options.task_argument(command)
    _options.results_argument(command)


def run(options: Namespace) -> int:
    """rebuild the tables from the records, and print them, or what is chosen of them"""
    from bench.reporting.choice import Choice
    from bench.reporting.paper_tables import write_paper_table

    choice = Choice(options.columns, options.sort, options.rows)
    if options.paper and (choice or options.task):
        raise ValueError("--paper has a task, rows and columns of its own")
    machines = _options.read_machines(options, options.task)
    if options.paper:
        pooled = [record for records in machines.values() for record in records]
        print(write_paper_table(options.paper, pooled, options.format).rstrip())
        return OK
    timed = _options.list_timed_machines(options) if options.task is None else []
    if choice:
        _print_choice(machines, timed, options, choice)
    else:
        _write_all(machines, timed, options)
    return OK


def _write_all(
    machines: dict[Path, list[RunRecord]], timed: list[Path], options: Namespace
) -> None:
    from bench.reporting.peers_table import write_peers_table
    from bench.reporting.runs_table import write_runs_table
    from bench.reporting.scaling_table import write_scaling_table
    from bench.reporting.speed_table import write_speed_table

    texts: dict[Path, str] = {}
    for root, records in machines.items():
        if len(machines) > 1 and options.format == "text":
            print(f"{root.name}\n{'=' * len(root.name)}\n")
        print(write_runs_table(root, records, options.format, options.task, texts.__setitem__))
    for root in timed:
        writers = (write_speed_table, write_peers_table, write_scaling_table)
        tables = (write(root, options.format, texts.__setitem__) for write in writers)
        print("\n".join(filter(None, tables)).rstrip("\n"))
    _options.write_changed(texts)


def _print_choice(
    machines: dict[Path, list[RunRecord]], timed: list[Path], options: Namespace, choice: Choice
) -> None:
    """Print what is chosen of each table that has the columns asked for."""
    from bench.reporting import choice as choices
    from bench.reporting import peers_table, runs_table, speed_table
    from bench.reporting.aggregate import frame, keep_task

    tables = []
    for root, records in machines.items():
        data = frame(records)
        data = keep_task(data, options.task) if len(data) else data
        tables += (
            [table for table, _ in runs_table.fill_tables(data, root.name)] if len(data) else []
        )
    for root in timed:
        kinds = {"speed": speed_table.fill_table, "peers": peers_table.fill_table}
        tables += [fill(root)[0] for name, fill in kinds.items() if (root / name).is_dir()]
    shown = choices.choose_among(tables, choice)
    print(choices.write_tables(shown, options.format))

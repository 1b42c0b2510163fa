"""The command line: `python -m bench COMMAND`."""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from bench import machine, plugins, records

OK, USAGE, FAILED, INTERRUPTED = 0, 2, 4, 130
RESULTS = plugins.ROOT / "results"
FORMATS = ("text", "md", "csv", "latex")
UNITS = {"s": 1, "m": 60, "h": 3600}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Raises what `main` prints."""
        raise ValueError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code."""
    sys.stdout.reconfigure(line_buffering=True)
    try:
        options = parser().parse_args(arguments)
        return options.command(options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("interrupted; what had finished is kept, the same command continues", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return OK
    except OSError as error:
        print(f"error: {error.filename or 'system'}: {error.strerror}", file=sys.stderr)
        return USAGE


def parser() -> Parser:
    """The parser of all commands."""
    top = Parser(
        prog="python -m bench",
        description="Accuracy, equivariance error and speed of 3-D networks, in one row.",
        epilog="example: python -m bench run quick",
    )
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _list(commands)
    _run(commands)
    _table(commands)
    _plot(commands)
    return top


def _command(commands: argparse.Action, run: Callable, example: str) -> argparse.ArgumentParser:
    name, text = run.__name__.removeprefix("do_"), run.__doc__
    command = commands.add_parser(
        name, help=text, description=text, epilog=f"example: python -m bench {example}"
    )
    command.set_defaults(command=run)
    return command


def _list(commands: argparse.Action) -> None:
    command = _command(commands, do_list, "list models")
    command.add_argument("kind", nargs="?", choices=[*plugins.FOLDERS], help="one kind only")


def _run(commands: argparse.Action) -> None:
    command = _command(commands, do_run, "run quick --only model=egnn method=plain --seeds 1")
    command.add_argument("sweep", help="name of a sweep, or the path of a sweep file")
    command.add_argument(
        "--only", nargs="+", action="extend", default=[], metavar="KEY=GLOB",
        help="runs that match, such as model=egnn or method.beta=10",
    )  # fmt: skip
    command.add_argument("--seeds", type=int, metavar="N", help="so many seeds of each cell")
    command.add_argument("--steps", type=int, metavar="N", help="so many training steps")
    command.add_argument("--device", default="cpu", metavar="D", help="cpu (default) or cuda")
    command.add_argument("--jobs", type=int, metavar="N", help="parallel runs (default: cores)")
    command.add_argument(
        "--budget", type=_seconds, default=float("inf"), metavar="T",
        help="start no run after this time, such as 90s, 30m or 2h",
    )  # fmt: skip
    command.add_argument("--shard", metavar="I/N", help="part I of N (default: Slurm's array)")
    command.add_argument("--dry-run", action="store_true", help="list the cells and the time")
    command.add_argument("--force", action="store_true", help="run finished ones again")
    _results(command)


def _table(commands: argparse.Action) -> None:
    command = _command(commands, do_table, "table --format md")
    command.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    command.add_argument("--task", metavar="T", help="one task only")
    _results(command)


def _plot(commands: argparse.Action) -> None:
    _results(_command(commands, do_plot, "plot"))


def _results(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--results", type=Path, default=RESULTS, metavar="DIR", help="default: results/"
    )


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 90s, 30m or 2h")
    return float(found[1]) * UNITS[found[2]]


def do_list(options: argparse.Namespace) -> int:
    """what there is: tasks, models, methods and sweeps, one line each"""
    for kind in [options.kind] if options.kind else plugins.FOLDERS:
        print(kind)
        for name in plugins.names(kind):
            print(f"  {name:<16} {_line(kind, name)}")
    return OK


def do_run(options: argparse.Namespace) -> int:
    """train and score what a sweep lacks, then time it, then show the table"""
    from bench import plan, tables
    from bench.run import Request, estimate, run_sweep

    sweep = plan.override(plan.sweep(options.sweep), options.seeds, options.steps)
    runs = plan.shard(plan.only(sweep, options.only), options.shard)
    root = options.results / machine.folder(options.device)
    request = Request(runs, root, options.device, _jobs(options), options.budget, options.force)
    if options.dry_run:
        print(estimate(request))
        return OK
    complete = run_sweep(request)
    print(tables.write(root, _readable(root), "text", None))
    return OK if complete else FAILED


def do_table(options: argparse.Namespace) -> int:
    """rebuild the tables from the records, and print them"""
    from bench import tables

    found = {root: _readable(root) for root in _machines(options.results)}
    _check_task(found.values(), options.task)
    for root, some in found.items():
        print(tables.write(root, some, options.format, options.task))
    return OK


def do_plot(options: argparse.Namespace) -> int:
    """rebuild the figures from the records"""
    from bench import plots

    found = {root: _readable(root) for root in _machines(options.results)}
    _check_task(found.values(), None)
    for root, some in found.items():
        for file in plots.write(root, some):
            print(file)
    return OK


def _jobs(options: argparse.Namespace) -> int:
    if options.jobs is not None and options.jobs < 1:
        raise ValueError(f"--jobs has to be at least 1, got {options.jobs}")
    return options.jobs or (machine.cores() if options.device == "cpu" else 1)


def _machines(results: Path) -> list[Path]:
    """The machines' folders that hold records."""
    found = sorted(path.parent for path in results.glob("*/runs"))
    if not found:
        raise ValueError(f"no records under {results}; 'python -m bench run quick' makes some")
    return found


def _line(kind: str, name: str) -> str:
    try:
        return plugins.describe(kind, name)
    except ValueError as error:
        return f"cannot be read: {error}"


def _readable(root: Path) -> list[records.Record]:
    found, problems = records.load(root)
    for problem in problems:
        print(f"skipped: {problem}", file=sys.stderr)
    return found


def _check_task(machines: Iterable[list[records.Record]], task: str | None) -> None:
    """Raises `ValueError` if no machine has a record, or none of the task."""
    tasks = {Path(record["run"]["task"]["name"]).stem for found in machines for record in found}
    if not tasks:
        raise ValueError("no record that can be read")
    if task not in (None, *tasks):
        raise ValueError(f"no records of task {task!r}; there are {', '.join(sorted(tasks))}")

"""`run`: train and score what a sweep lacks."""

from argparse import ArgumentParser, Namespace

from bench.commands import FAILED, OK, _options
from bench.system import machine

EXAMPLE = "run quick --only model=egnn method=plain --seeds 1"


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    command.add_argument("sweep", help="name of a sweep, or the path of a sweep file")
    command.add_argument(
        "--only", nargs="+", action="extend", default=[], metavar="KEY=GLOB",
        help="runs that match, such as model=egnn or method.beta=10",
    )  # fmt: skip
    command.add_argument("--seeds", type=int, metavar="N", help="so many seeds of each cell")
    command.add_argument("--steps", type=int, metavar="N", help="so many training steps")
    command.add_argument("--device", default="cpu", metavar="D", help="cpu (default) or cuda")
    command.add_argument("--jobs", type=int, metavar="N", help="parallel runs (default: cores)")
    _options.budget_argument(command, float("inf"), "start no run after this time")
    command.add_argument("--shard", metavar="I/N", help="part I of N (default: Slurm's array)")
    command.add_argument("--dry-run", action="store_true", help="list the cells and the time")
    command.add_argument("--force", action="store_true", help="run finished ones again")
    command.add_argument("--vectorise", action="store_true", help="train seeds of a cell at once")
    _options.results_argument(command)
    _options.data_argument(command)


def run(options: Namespace) -> int:
    """train and score what a sweep lacks, then time it, then show the table"""
    from bench.reporting.runs_table import write_runs_table
    from bench.timing import runs as timing_runs
    from bench.training import launcher, selection

    _options.choose_data(options)
    sweep = selection.override(selection.sweep(options.sweep), options.seeds, options.steps)
    runs = selection.shard(selection.only(sweep, options.only), options.shard)
    root = options.results / machine.folder(options.device)
    request = launcher.Request(
        runs, root, options.device, _jobs(options), options.budget, options.force, options.vectorise
    )
    if options.dry_run:
        print(launcher.estimate(request))
        return OK
    trained = launcher.train_missing(request)
    timing_runs.measure(runs, root, options.device)
    complete = launcher.all_finished(request) and trained
    print(write_runs_table(root, _options.readable(root), "text", None))
    return OK if complete else FAILED


def _jobs(options: Namespace) -> int:
    if options.jobs is not None and options.jobs < 1:
        raise ValueError(f"--jobs has to be at least 1, got {options.jobs}")
    return options.jobs or (machine.cores() if options.device == "cpu" else 1)

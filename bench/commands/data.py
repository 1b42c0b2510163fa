"""`data`: the data sets."""

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Callable

from bench.commands import OK, _options

EXAMPLE = "data make nbody_charged bodies=20"


def arguments(command: ArgumentParser) -> None:
    """What the command line takes."""
    _options.data_argument(command)
    command.set_defaults(action=show)
    actions = command.add_subparsers(metavar="list | get NAME | make NAME | croissant NAME")
    _action(actions, "list", show, "list")
    getting = _action(actions, "get", get, "get md17 '*ethanol*'")
    getting.add_argument("name", help="name of a task, or the path of a task file")
    getting.add_argument("files", nargs="*", metavar="FILE", help="files or globs (default: all)")
    making = _action(actions, "make", make, "make nbody_charged bodies=20")
    making.add_argument("name", help="name of a task, or the path of a task file")
    making.add_argument("options", nargs="*", metavar="KEY=VALUE", help="options of the task")
    describing = _action(actions, "croissant", describe, "croissant nbody_charged")
    describing.add_argument("name", help="name of a task, or the path of a task file")


def run(options: Namespace) -> int:
    """data sets: where they come from, on what terms, what is on this disk; get or make them"""
    _options.choose_data(options)
    options.action(options)
    return OK


def show(options: Namespace) -> None:
    """where data come from, on what terms, sizes and hashes, and what is on this disk"""
    from bench.data import catalogue
    from bench.data.cache import folder

    print(f"in {folder()}")
    for name in catalogue.names():
        print(catalogue.describe(name))


def get(options: Namespace) -> None:
    """download what is not here, and check it"""
    from bench.core import plugins
    from bench.data import catalogue
    from bench.data.source import read_source

    source = read_source(plugins.source(options.name))
    told = {"terms": source.terms, "acknowledge": source.acknowledge}
    print(*[f"{key}: {text}" for key, text in told.items() if text is not None], sep="\n")
    for path in catalogue.get(options.name, options.files):
        print(path)


def make(options: Namespace) -> None:
    """make what is not here"""
    from bench.core import notation, plugins
    from bench.data import catalogue
    from bench.data.source import read_source
    from bench.system.progress import print_progress

    pairs = [word.partition("=") for word in options.options]
    values = [notation.parse_value(key) for key, equals, _ in pairs if not equals]
    named = {key: notation.parse_value(text) for key, equals, text in pairs if equals}
    read_source(plugins.source(options.name))
    if catalogue.state(options.name) == "not here":
        _options.check_data_folder()
    catalogue.make(options.name, values, named, print_progress(options.name))
    print(f"{options.name}: {catalogue.state(options.name)}")


def describe(options: Namespace) -> None:
    """print Croissant metadata, JSON-LD, of the arrays that are on this disk"""
    from bench.data import croissant
    from bench.records import files

    print(files.as_text(croissant.describe(options.name)), end="")


def _action(actions: Action, name: str, action: Callable, example: str) -> ArgumentParser:
    text, epilog = action.__doc__, f"example: python -m bench data {example}"
    parser = actions.add_parser(name, help=text, description=text, epilog=epilog)
    _options.data_argument(parser)
    parser.set_defaults(action=action)
    return parser

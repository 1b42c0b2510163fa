"""What the tests build by name: the networks of `models/`, and the probes, plug-ins by path."""

from pathlib import Path

from bench.core import plugins

FOLDER = Path(__file__).resolve().parent.parent / "probes"
PROBES = {path.stem: str(path) for path in sorted(FOLDER.glob("*.py"))}
NAMES = [*plugins.names("models"), *PROBES]


def plugin(name):
    """What a sweep would call the model: its name, or its path."""
    return PROBES.get(name, name)


def load(name):
    """The model's module."""
    return plugins.load("models", plugin(name))


CLAIMING = [name for name in NAMES if plugins.claims_equivariance(plugin(name))]

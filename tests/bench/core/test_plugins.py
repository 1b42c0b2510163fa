"""Plug-ins as the command line writes them."""

import pytest

from bench import Plugin
from bench.core import plugins

WRITTEN = {
    "remul:10": ("methods", Plugin("remul", {"beta": 10.0})),
    "remul:beta=10,variant=functional": (
        "methods",
        Plugin("remul", {"beta": 10.0, "variant": "functional"}),
    ),
    "dual:1e-3": ("methods", Plugin("dual", {"level": 1e-3})),
    "plain": ("methods", Plugin("plain")),
    "transformer:64,layers=2": ("models", Plugin("transformer", {"channels": 64, "layers": 2})),
    "nbody_gravity:val=500": ("tasks", Plugin("nbody_gravity", {"val": 500})),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_a_plug_in_is_read_as_it_is_written(text):
    kind, plugin = WRITTEN[text]
    assert plugins.parse(kind, text) == plugin


def test_a_number_has_the_kind_of_its_default():
    assert isinstance(plugins.parse("methods", "remul:10").kwargs["beta"], float)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("remul:gamma=1", "method 'remul' has no option 'gamma'; there are beta, alpha"),
        ("plain:1", "method 'plain' has no option ''; there are none"),
        ("remull", "did you mean 'remul'"),
    ],
)
def test_what_is_written_wrong_is_named(text, reason):
    with pytest.raises(ValueError, match=reason):
        plugins.parse("methods", text)


def test_a_path_may_have_options(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def build(signature, width=8): ...\n")
    assert plugins.parse("models", f"{file}:16") == Plugin(str(file), {"width": 16})

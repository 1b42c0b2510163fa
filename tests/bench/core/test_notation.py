"""Plug-ins as the command line and sweeps write them."""

from pathlib import Path

import pytest

from bench import Plugin
from bench.core import notation

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
    "nbody_gravity:ood_deg=[20.0, 30.0],val=8": (
        "tasks",
        Plugin("nbody_gravity", {"ood_deg": [20.0, 30.0], "val": 8}),
    ),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_a_plug_in_is_read_as_it_is_written(text):
    kind, plugin = WRITTEN[text]
    assert notation.parse(kind, text) == plugin


def test_a_number_has_the_kind_of_its_default():
    assert isinstance(notation.parse("methods", "remul:10").kwargs["beta"], float)


@pytest.mark.parametrize("given", [{"beta": 10}, {"beta": 10.0}])
def test_a_plug_in_of_a_sweep_is_as_the_command_line_has_it(given):
    completed = notation.complete("methods", Plugin("remul", given))
    assert repr(completed) == repr(notation.parse("methods", "remul:10"))


@pytest.mark.parametrize("value", [True, None, "auto", [1]])
def test_other_values_of_a_sweep_stay_what_they_are(value):
    assert notation.complete("methods", Plugin("remul", {"beta": value})).kwargs == {"beta": value}


@pytest.mark.parametrize(
    "code", ["def build(signature, **options): ...", "from functools import partial as build"]
)
def test_a_plug_in_that_takes_any_option_is_given_any(code, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(code)
    given = Plugin(str(file), {"width": 8})
    assert notation.complete("models", given) == given
    assert notation.parse("models", f"{file}:width=8") == given


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("remul:gamma=1", "method 'remul' has no option 'gamma'; there are beta, alpha"),
        ("remul:None", "method 'remul', option 'beta' has to be a number, got None"),
        ("remul:many", "method 'remul', option 'beta' has to be a number, got 'many'"),
        ("remul:nan", "method 'remul', option 'beta' has to be a number, got 'nan'"),
        ("remul:1e999", "method 'remul', option 'beta' has to be a number, got inf"),
        ("plain:1", "method 'plain' has no option ''; there are none"),
        ("remull", "did you mean 'remul'"),
    ],
)
def test_what_is_written_wrong_is_named(text, reason):
    with pytest.raises(ValueError, match=reason):
        notation.parse("methods", text)


@pytest.mark.parametrize("written", ["90", "[90]", "['a','b']"])
def test_a_pair_of_numbers_is_a_pair_of_numbers(written):
    with pytest.raises(ValueError, match=r"option 'ood_deg' has to be (2 numbers|a number), got"):
        notation.parse("tasks", f"nbody_gravity:ood_deg={written}")
    given = notation.parse("tasks", "nbody_gravity:ood_deg=[80,170]").kwargs
    assert repr(given["ood_deg"]) == "[80.0, 170.0]"


def test_a_path_may_have_options(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def build(signature, width=8): ...\n")
    assert notation.parse("models", f"{file}:16") == Plugin(str(file), {"width": 16})


@pytest.mark.parametrize("folder", ["{}/a:b", "a:b"])
@pytest.mark.parametrize(("options", "given"), [("", {}), (":width=16", {"width": 16})])
def test_a_path_may_hold_a_colon(folder, options, given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = Path(folder.format(tmp_path), "mine.py")
    file.parent.mkdir()
    file.write_text("def build(signature, width=8): ...\n")
    assert notation.parse("models", f"{file}{options}") == Plugin(str(file), given)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"no file '/tmp/a:b/nowhere.py' that is a model$"):
        notation.parse("models", "/tmp/a:b/nowhere.py:width=8")

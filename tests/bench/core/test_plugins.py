"""Plug-ins: found by name or path, read without being imported."""

import re
import sys

import pytest

from bench import Plugin
from bench.core import notation, plugins

CLAIMS = [
    ("True", {}, "E3"),
    ("'SE3'", {}, "SE3"),
    ("False", {}, None),
    ("{'frames': {'learned': 'SE3', 'all': True}}", {}, "SE3"),
    ("{'frames': {'learned': 'SE3', 'all': True}}", {"frames": "all"}, "E3"),
    ("{'frames': {'learned': 'SE3', 'all': True}}", {"frames": "none"}, None),
    ("{'frames': {'learned': 'SE3', 'all': True}}", {"frames": ["all"]}, None),
    ("{'frames': {'learned': 'SE3'}, 'conservative': {False: True}}", {}, "SE3"),
    ("{'frames': {'learned': 'SE3'}, 'conservative': {False: True}}", {"conservative": True}, None),
]


def claiming(folder, claim):
    """A model file of that claim."""
    file = folder / "mine.py"
    file.write_text(f"EQUIVARIANT = {claim}\ndef build(signature, frames='learned'): ...\n")
    return str(file)


@pytest.mark.parametrize(("claim", "given", "group"), CLAIMS)
def test_a_claim_is_read_with_the_options(claim, given, group, tmp_path):
    assert plugins.group_claim(claiming(tmp_path, claim), given) == group


@pytest.mark.parametrize("claim", ["{'frame': {'learned': True}}", "{'frames': True}"])
def test_a_claim_about_no_option_is_refused(claim, tmp_path):
    with pytest.raises(ValueError, match=r"EQUIVARIANT has to be .* options of frames, conserv"):
        plugins.group_claim(claiming(tmp_path, claim))


@pytest.mark.parametrize("claim", ["'SE(3)'", "{'frames': {'learned': 'E(3)'}}"])
def test_a_claim_of_an_unknown_group_is_refused(claim, tmp_path):
    with pytest.raises(ValueError, match="EQUIVARIANT has to be True or one of SO3, O3, SE3, E3"):
        plugins.group_claim(claiming(tmp_path, claim))


def test_options_are_read_with_their_defaults(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import math\n"
        "def build(signature, depth, low=-1.0, cone=(0.0, 90.0), turn=math.pi, *, width=8): ...\n"
    )
    own = {"depth": None, "low": -1.0, "cone": (0.0, 90.0), "turn": None, "width": 8}
    assert plugins.options("models", str(file)) == own | {"conservative": False}
    assert repr(notation.parse("models", f"{file}:low=-2,width=3").kwargs["low"]) == "-2.0"


def with_helper(folder, value):
    """A model's file and the file beside it that it imports."""
    folder.mkdir(exist_ok=True)
    (folder / "parts.py").write_text(f"WIDTH = {value}  # as it is\n")
    file = folder / "mine.py"
    file.write_text("import parts\ndef build(signature): return parts.WIDTH\n")
    return str(file)


def test_files_beside_a_plugin_are_its_own(tmp_path):
    files = [with_helper(tmp_path / str(value), value) for value in (1, 2)]
    assert [plugins.load("models", file).build(None) for file in files] == [1, 2]
    assert "parts" not in sys.modules
    assert not {str(tmp_path / "1"), str(tmp_path / "2")} & {*sys.path}


def test_the_code_beside_a_plugin_is_part_of_it(tmp_path):
    digests = [plugins.code_digest("models", with_helper(tmp_path / "a", v)) for v in (1, 2, 2)]
    assert digests[0] != digests[1] == digests[2]


@pytest.mark.parametrize(
    ("line", "read", "words"),
    [
        ("VERSION = 'two'", plugins.version, "line 1: VERSION has to be int, is str"),
        ("VERSION = two()", plugins.version, "line 1: VERSION has to be a literal"),
        ("VERSION = {[]: 1}", plugins.version, "line 1: VERSION has to be a literal"),
        ("SOURCE = [1]", plugins.source, "line 1: SOURCE has to be dict, is list"),
    ],
)
def test_a_constant_of_another_kind_is_named(line, read, words, tmp_path):
    file = tmp_path / "odd.py"
    file.write_text(line)
    with pytest.raises(ValueError, match=re.escape(f"{file}, {words}")):
        read(*(("tasks", str(file)) if read is plugins.version else (str(file),)))


def test_options_are_kept_as_they_were_when_a_plugin_was_made():
    options = {"widths": (1, 2)}
    plugin = Plugin("mlp", options)
    options["widths"] = 3
    assert plugin.kwargs == {"widths": [1, 2]}


@pytest.mark.parametrize("name", ["nbody_gravity", "NBody_Gravity", "speed", "speed-up", "records"])
def test_a_task_file_may_not_have_a_name_that_is_taken(name, tmp_path):
    file = tmp_path / f"{name}.py"
    file.write_text("def load(seed): ...\n")
    with pytest.raises(ValueError, match=f"'{name}' .*; rename the file"):
        plugins.find("tasks", str(file))


def test_a_model_may_have_the_name_of_another(tmp_path):
    file = tmp_path / "egnn.py"
    file.write_text("def build(signature): ...\n")
    assert plugins.find("models", str(file)) == file

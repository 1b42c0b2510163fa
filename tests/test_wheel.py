"""The wheel: `remul` alone, typed."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    pytest.importorskip("build", reason="'tox run -e wheel' has the build package")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


def test_the_wheel_holds_remul_alone(contents):
    folders = {name.partition("/")[0] for name in contents}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"remul"}


def test_the_wheel_is_typed(contents):
    assert "remul/py.typed" in contents


def test_the_wheel_holds_every_module(contents):
    modules = {f"remul/{file.name}" for file in (ROOT / "remul").glob("*.py")}
    assert modules <= set(contents)

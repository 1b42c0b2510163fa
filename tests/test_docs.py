"""What the pages say is so: numbers follow from records, links lead somewhere, snippets run."""

import re
from importlib.util import module_from_spec, spec_from_file_location

import pytest
import torch

from bench.cli import main
from bench.core import plugins
from bench.system.checkout import ROOT
from remul import POINT, Batch, Signature

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
EXTENDING = (ROOT / "docs" / "extending.md").read_text()
SMALL = ["steps=2", "batch_size=4", "validations=1", "elements=1", "samples=2"]


def test_the_answer_of_the_readme_follows_from_the_records():
    spec = spec_from_file_location("make_readme", ROOT / "docs" / "make_readme.py")
    make_readme = module_from_spec(spec)
    spec.loader.exec_module(make_readme)
    page = (ROOT / "README.md").read_text()
    assert make_readme.fill(page) == page


def test_the_readme_is_read_in_five_minutes():
    assert len((ROOT / "README.md").read_text().split()) <= 1200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    local = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [target for target in local if target and not (page.parent / target).exists()] == []


def snippet(kind):
    """The Python file that a section of the page shows."""
    section = EXTENDING.split(f"\n## {kind}\n")[1].split("\n## ")[0]
    return section.split("```python\n")[1].split("```")[0]


@pytest.fixture
def folder(tmp_path):
    """A folder with the files that the page shows."""
    for kind, name in (("A model", "model"), ("A method", "method"), ("A sweep", "sweep")):
        (tmp_path / f"my_{name}.py").write_text(snippet(kind))
    return tmp_path


def test_the_model_of_the_page_is_one(folder):
    signature = Signature({"position": POINT}, {"position": POINT})
    model = plugins.load("models", str(folder / "my_model.py")).build(signature)
    assert model({"position": torch.zeros(2, 3, 3)})["position"].shape == (2, 3, 3)


def test_the_method_of_the_page_is_one(folder):
    task = plugins.load("tasks", "nbody_gravity").load(0, train=4, val=4, test=4, ood=4)
    method = plugins.load("methods", str(folder / "my_method.py")).build(task)
    terms = method.terms(
        lambda inputs: {"position": inputs["position"]},
        Batch(task.train.inputs, task.train.targets),
        torch.Generator().manual_seed(0),
    )
    assert method.penalty(terms).isfinite()


@pytest.mark.slow
def test_the_sweep_of_the_page_finds_its_files(folder, capsys):
    sweep = [str(folder / "my_sweep.py"), "--dry-run", "--seeds", "1", "--set", *SMALL]
    assert main(["run", *sweep, "--results", str(folder / "r")]) == 0
    shown = capsys.readouterr().out
    assert "4 of 4 runs to do" in shown
    assert "my_model" in shown


@pytest.mark.slow
def test_the_command_of_the_page_trains(folder, capsys):
    models = ["--models", str(folder / "my_model.py"), "drift", "--methods", "plain"]
    task = ["--task", "nbody_gravity:train=8,val=4,test=4,ood=4", "--seeds", "1"]
    where = ["--results", str(folder / "r"), "--no-timing"]
    assert main(["run", *task, *models, "--set", *SMALL, *where]) == 0
    assert "my_model" in capsys.readouterr().out

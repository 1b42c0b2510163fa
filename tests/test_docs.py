"""What the pages say is so: numbers follow from records, links lead somewhere, snippets run."""

import re
import sys
from types import ModuleType

import make
import numpy as np
import pytest
import torch
from pages.published import fill_block

from bench.cli import main
from bench.core import plugins
from bench.reporting import figures
from bench.reporting.figures import speed
from bench.system import pool
from bench.system.checkout import ROOT
from remul import POINT, Batch, Signature, lie_derivative_error

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
EXTENDING = (ROOT / "docs" / "extending.md").read_text()
GRAPHS = (ROOT / "docs" / "graphs.md").read_text()
RESULTS = (ROOT / "docs" / "results.md").read_text()
NETWORKS = (ROOT / "docs" / "networks.md").read_text()
SMALL = ["steps=2", "batch_size=4", "validations=1", "elements=1", "samples=2"]


@pytest.mark.slow
@pytest.mark.parametrize("page", make.FILL)
def test_what_a_page_says_follows_from_the_records(page):
    text = (ROOT / page).read_text()
    assert make.FILL[page](text) == text


def test_a_block_that_a_page_has_not_is_not_filled():
    with pytest.raises(ValueError, match="not one block of costs"):
        fill_block("<!-- cost: docs/make.py -->\n<!-- /cost -->\n", "costs", ["| of |"])


def test_the_readme_is_read_in_five_minutes():
    assert len((ROOT / "README.md").read_text().split()) <= 1200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    local = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [target for target in local if target and not (page.parent / target).exists()] == []


def snippet(kind, page=EXTENDING):
    """The Python file that a section of the page shows."""
    section = page.split(f"\n## {kind}\n")[1].split("\n## ")[0]
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


def test_the_sweep_of_the_page_finds_its_files(folder, capsys, monkeypatch):
    monkeypatch.setattr(pool, "ask", lambda request, _: [None] * len(request.runs))
    sweep = [str(folder / "my_sweep.py"), "--dry-run", "--seeds", "1", "--set", *SMALL]
    assert main(["run", *sweep, "--results", str(folder / "r")]) == 0
    shown = capsys.readouterr().out
    assert "4 of 4 runs to do" in shown
    assert "my_model" in shown


@pytest.mark.system
def test_the_command_of_the_page_trains(folder, capsys):
    models = ["--models", str(folder / "my_model.py"), "drift", "--methods", "plain"]
    task = ["--task", "nbody_gravity:train=8,val=4,test=4,ood=4", "--seeds", "1"]
    where = ["--results", str(folder / "r"), "--no-timing"]
    assert main(["run", *task, *models, "--set", *SMALL, *where]) == 0
    assert "my_model" in capsys.readouterr().out


@pytest.mark.system
def test_the_trained_network_of_the_page_predicts_what_was_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    task = ["--task", "nbody_gravity:train=8,val=4,test=4,ood=4", "--seeds", "1", "--no-timing"]
    kept = ["--keep", "weights", "predictions", "--results", "results/local"]
    assert (
        main(["run", *task, "--models", "egnn", "--methods", "plain", "--set", *SMALL, *kept]) == 0
    )
    names = {}
    exec(compile(snippet("A trained network", RESULTS), "results.md", "exec"), names)
    with np.load(names["file"].with_suffix(".predictions.npz"), allow_pickle=False) as arrays:
        wanted = torch.from_numpy(arrays["test/position"])
    assert torch.equal(names["predicted"], wanted)


def run_snippets(*kinds):
    """What the sections of the page about graphs define, one after another."""
    names = {}
    for kind in kinds:
        exec(compile(snippet(kind, GRAPHS), kind, "exec"), names)
    return names


ERRORS = {
    "From a list of arrays": ([], None),
    "PyTorch Geometric": ([], "torch_geometric"),
    "ASE": (["A conservative potential"], "ase"),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own
@pytest.mark.parametrize("kind", ERRORS)
def test_a_network_is_trained_and_measured(kind):
    before, package = ERRORS[kind]
    if package:
        pytest.importorskip(package)
    errors = run_snippets(*before, kind)["errors"]
    assert errors.isfinite().all()
    assert errors.min() > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_network_is_called_as_it_is():
    pytest.importorskip("torch_geometric")
    model = run_snippets("Your network as it is")["model"]
    x = torch.ones(4, 3)
    assert torch.equal(model({"pos": 2 * x, "z": x[:, :1]})["forces"], 2 * x)


@pytest.fixture
def crystal(generator):
    """Two samples of a periodic crystal, and the potential of the page."""
    names = run_snippets("A conservative potential")
    inputs = {
        "z": torch.ones(4, 1).double(),
        "pos": torch.randn(4, 3, dtype=torch.float64, generator=generator),
        "cell": 2 * torch.eye(3).double().view(1, 9).repeat(2, 1),
        "batch": torch.tensor([0, 0, 1, 1]),
        "edge_index": torch.tensor([[0, 1, 0, 2, 3], [1, 0, 0, 3, 2]]),
        "shift": torch.tensor([[0, 0, 1], [0, 0, -1], [1, 0, 0], [0, 0, 0], [0, 0, 0]]),
    }
    return names["potential"].double(), inputs, names["signature"]


def test_the_force_of_the_page_is_the_slope_of_its_energy(crystal):
    model, inputs, _ = crystal
    step = 1e-5 * torch.eye(12, dtype=torch.float64).view(12, 4, 3)
    with torch.no_grad():
        up, down = (
            [model(inputs | {"pos": inputs["pos"] + sign * d})["energy"].sum() for d in step]
            for sign in (1, -1)
        )
        slope = (torch.stack(up) - torch.stack(down)).view(4, 3) / 2e-5
        assert torch.allclose(model(inputs)["force"], -slope, atol=1e-9)


def test_the_force_of_the_page_is_the_same_in_inference(crystal):
    model, inputs, _ = crystal
    as_the_page_says = torch.no_grad if torch.__version__ < "2.12" else torch.inference_mode
    with as_the_page_says():
        force = model(inputs)["force"]
    assert torch.equal(force, model(inputs)["force"])


@pytest.mark.slow
def test_the_potential_of_the_page_has_a_lie_derivative(crystal):
    assert lie_derivative_error(*crystal).min() > 0


@pytest.mark.slow
def test_the_lightning_module_of_the_page_trains(monkeypatch):
    """With or without the package, of which its module is an `nn.Module` here."""
    stand_in = ModuleType("lightning")
    stand_in.LightningModule = torch.nn.Module
    monkeypatch.setitem(sys.modules, "lightning", stand_in)
    names = run_snippets("From a list of arrays", "Lightning")
    module = names["Regression"](names["model"], names["signature"])
    optimiser = module.configure_optimizers()
    losses = []
    for _ in range(20):
        losses.append(module.training_step(names["data"], 0))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert torch.stack(losses).isfinite().all()


def test_the_network_of_the_page_takes_crystals():
    names = {}
    exec(snippet("Molecules, crystals, clouds", NETWORKS), names)
    assert {name: x.shape for name, x in names["outputs"].items()} == {
        "energy": (2, 1),
        "force": (5, 3),
    }


@pytest.mark.parametrize("plot", [*figures.PLOTS, *speed.PLOTS], ids=lambda plot: plot.name)
def test_every_figure_is_on_the_page_of_results(plot):
    assert f"`{plot.name}`" in RESULTS

"""`try`: what it says of good and of broken model and task files."""

import re

import pytest
import torch

from bench.cli import main
from bench.conformance import check, model_checks, speed_check, task_checks
from bench.conformance.data_symmetry import fields_that_turn
from bench.core import plugins
from bench.core.config import Plugin, Run
from bench.core.contracts import Task
from bench.core.networks import build_network
from bench.timing import counters
from bench.timing.closures import build_closures
from bench.training import scores
from bench.training.build import build
from remul import POINT, SO3, VECTOR, Batch, Signature, act

SIGNATURE = Signature({"position": POINT, "velocity": VECTOR}, {"force": VECTOR})
MODEL = '''
"""A model of the test."""
import torch
from torch import nn
{claim}

class Net(nn.Module):
    def __init__(self, signature):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, inputs):
        x = inputs["position"]
        return {{"position": {output}}}

def build(signature):
    return Net(signature)
'''
TASK = """
from bench.tasks.nbody_gravity import load as gravity

def load(seed):
    return gravity(seed, train=64, val=8, test=8, ood=8)
"""
EMPTIED = """
    import dataclasses
    return dataclasses.replace(task, train=task.train[:0])
"""
TWO_SETS = """
    import dataclasses
    from remul import POINT, Batch, Signature

    def with_pocket(batch):
        return Batch(batch.inputs | {"pocket": batch.inputs["position"][:, :2]}, batch.targets)

    inputs = {**task.signature.inputs, "pocket": POINT}
    splits = {k: with_pocket(getattr(task, k)) for k in ("train", "val", "test")}
    signature = Signature(inputs, task.signature.outputs)
    return dataclasses.replace(task, signature=signature, more={}, **splits)
"""
FORCES = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 1)

    def forward(self, inputs):
        with torch.enable_grad():
            x = inputs["position"].detach().requires_grad_()
            energy = self.net(x).square().sum()
            return {"position": torch.autograd.grad(energy, x, create_graph=True)[0]}

def build(signature):
    return Net()
"""
DOUBLED = EMPTIED.replace("[:0]", ".to(__import__('torch').float64)")
MASKED = """
    import dataclasses
    import torch
    from remul import Batch

    def with_padding(batch):
        mask = torch.ones_like(batch.inputs["mass"])
        mask[:, -1] = 0
        return Batch(batch.inputs | {"mask": mask}, batch.targets)

    splits = {k: with_padding(getattr(task, k)) for k in ("train", "val", "test")}
    return dataclasses.replace(task, more={}, **splits)
"""
FORCES_IN_TRAINING = FORCES.replace(
    "create_graph=True)[0]}", "create_graph=self.training)[0], 'energy': energy}"
)
POOLED = "self.weight * x + x.mean(1, keepdim=True)"
GOOD = "x + self.weight * inputs['velocity']"
BROKEN = {
    "shape": ("x[..., :2]", "outputs: not as the signature declares"),
    "exiting": ("exit(0)", "outputs: not as the signature declares: SystemExit: 0"),
    "missing": ("(x, 1 / 0)[0]", "outputs: not as the signature declares: ZeroDivision"),
    "mixed": ("self.weight * x.mean(0, keepdim=True) + x", "samples: not each by itself"),
    "changing": ("inputs.pop('position')", "it changes the field 'position' of its inputs"),
    "nan": ("self.weight * x / 0", "values that are not finite"),
}


def a_file(folder, output, claim=""):
    file, task = folder / "mine.py", folder / "small.py"
    file.write_text(MODEL.format(output=output, claim=claim))
    task.write_text(TASK)
    return [str(file), "--task", str(task)]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(check, "measure_speed", lambda run, device: [])


def test_a_good_model_passes(tmp_path, capsys):
    assert main(["try", *a_file(tmp_path, GOOD, "EQUIVARIANT = True")]) == 0
    assert "ok   rotations" in capsys.readouterr().out


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_model_is_told_what_is_wrong(kind, tmp_path, capsys):
    output, complaint = BROKEN[kind]
    assert main(["try", *a_file(tmp_path, output)]) == 4
    assert complaint in capsys.readouterr().out


@pytest.mark.parametrize("error", [ZeroDivisionError("at 64"), SystemExit("at 64")])
def test_what_breaks_in_batches_of_its_size_alone_is_a_failure(
    error, tmp_path, capsys, monkeypatch
):
    def measure(run, device):
        yield check.CheckResult("step", "1 ms")
        raise error

    monkeypatch.setattr(check, "measure_speed", measure)
    assert main(["try", *a_file(tmp_path, GOOD)]) == 4
    shown = capsys.readouterr().out
    assert "step: 1 ms" in shown
    assert f"FAIL speed: {type(error).__name__}: at 64" in shown


def test_an_interruption_is_no_failure_of_the_model(tmp_path, monkeypatch):
    def interrupt(run, device):
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "measure_speed", interrupt)
    assert main(["try", *a_file(tmp_path, GOOD)]) == 130


def test_padding_is_a_warning_where_nothing_is_padded(tmp_path, capsys):
    assert main(["try", *a_file(tmp_path, POOLED)]) == 0
    shown = capsys.readouterr().out
    assert "     padding: not without influence" in shown
    assert "torch.where(inputs['mask'].bool(), x, 0)" in shown


@pytest.mark.parametrize(("output", "code"), [(POOLED, 4), (GOOD, 0)], ids=["pooled", "good"])
def test_padding_is_checked_where_data_are_padded(output, code, tmp_path, capsys):
    task = tmp_path / "padded.py"
    mine = a_file(tmp_path, output)
    task.write_text(TASK.replace("return gravity", "task = gravity") + MASKED)
    assert main(["try", mine[0], "--task", str(task)]) == code
    assert ("FAIL padding" in capsys.readouterr().out) == (code == 4)


def test_forces_may_have_a_graph_in_training_alone(tmp_path, capsys):
    mine = a_file(tmp_path, GOOD)
    (tmp_path / "mine.py").write_text(FORCES_IN_TRAINING)
    assert main(["try", *mine]) == 0
    assert "ok   gradients: finite" in capsys.readouterr().out


def test_a_task_and_a_model_take_options(capsys):
    task = "nbody_gravity:train=64,val=8,test=8,ood=8"
    assert main(["try", "transformer:channels=8,layers=1", "--task", task]) == 0
    assert "split 'val': 8 samples" in capsys.readouterr().out


def test_an_unknown_device_is_one_line(capsys):
    assert main(["try", "drift", "--device", "foo"]) == 2
    assert capsys.readouterr().err == "error: no device 'foo'; there are cpu, cuda\n"


def test_an_unknown_option_is_one_line(capsys):
    assert main(["try", "--task", "nbody_gravity:vall=500"]) == 2
    shown = capsys.readouterr().err
    assert "has no option 'vall'" in shown
    assert shown.count("\n") == 1


@pytest.mark.slow
def test_the_rival_says_how_large_it_is():
    task = Plugin("nbody_gravity", {"train": 64, "val": 8, "test": 8, "ood": 8})
    findings = list(speed_check.measure_speed(Run(task, Plugin("drift"), Plugin("plain")), "cpu"))
    assert re.search(r"as fast as transformer \(\d{3},\d{3} weights\)", findings[0].text)


def test_a_model_of_float64_alone_is_told(tmp_path, capsys):
    output = "x @ torch.eye(3, dtype=torch.float64) + self.weight * x"
    assert main(["try", *a_file(tmp_path, output)]) == 4
    assert "FAIL training: not possible in float32" in capsys.readouterr().out


def test_sets_of_several_sizes_have_no_permutation(tmp_path, capsys):
    task = tmp_path / "small.py"
    task.write_text(TASK.replace("return gravity", "task = gravity") + TWO_SETS)
    (tmp_path / "mine.py").write_text(MODEL.format(output=GOOD, claim=""))
    assert main(["try", str(tmp_path / "mine.py"), "--task", str(task)]) == 0
    assert "permutations" not in capsys.readouterr().out


def test_a_model_may_differentiate_inside(tmp_path):
    (tmp_path / "mine.py").write_text(FORCES)
    run = Run(Plugin("bodies"), Plugin(str(tmp_path / "mine.py")), Plugin("plain"), batch_size=2)
    task, model, _ = build(run, "cpu")
    step, inference, _ = build_closures(run, "cpu")
    assert torch.isfinite(step())
    assert inference()["position"].isfinite().all()
    assert scores.squared_errors(model, task.test, task.signature.outputs).mean > 0
    assert counters.count(model, inference)["flops"] is None


def test_a_claim_that_does_not_hold_fails(tmp_path, capsys):
    mine = a_file(tmp_path, "x + self.weight * inputs['velocity'].abs()", "EQUIVARIANT = True")
    assert main(["try", *mine]) == 4
    assert "FAIL rotations" in capsys.readouterr().out


CHIRAL = "x + self.weight * torch.linalg.cross(inputs['velocity'], x - x.mean(1, keepdim=True))"


@pytest.mark.parametrize(
    ("output", "claim", "code", "motion"),
    [
        (CHIRAL, "True", 4, "FAIL reflections"),
        (CHIRAL, "'SE3'", 0, "ok   translations"),
        ("x + self.weight * x", "True", 4, "FAIL translations"),
    ],
)
def test_a_claim_is_of_a_whole_group(output, claim, code, motion, tmp_path, capsys):
    assert main(["try", *a_file(tmp_path, output, f"EQUIVARIANT = {claim}")]) == code
    assert motion in capsys.readouterr().out


def test_a_claim_is_tried_behind_weights_that_begin_at_zero(tmp_path, capsys):
    mine = a_file(tmp_path, "x + self.weight * inputs['velocity'].abs()", "EQUIVARIANT = True")
    file = tmp_path / "mine.py"
    file.write_text(file.read_text().replace("torch.ones(())", "torch.zeros(())"))
    assert main(["try", *mine]) == 4
    assert "FAIL rotations" in capsys.readouterr().out


def test_ragged_samples_are_tried_one_by_one(capsys):
    task = plugins.load("tasks", "inertia").load(0, train=9, val=2, test=2, ood=2, largest=12)
    network = build_network("tfn", task.signature, channels=4, layers=1)
    results = [*task_checks.check_task(task, False)]
    results += model_checks.check_model(Plugin("tfn"), network, task)
    assert not [result for result in results if result.passed is False]
    words = {result.about: result.text for result in results}
    assert "do not tell which turn" in words["fields"]
    assert words["samples"] == "each by itself"
    assert "padding" not in words


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_task_of_points_and_scalars_has_nothing_that_could_not_turn(symmetric):
    task = plugins.load("tasks", "kchain").load(0, train=8, val=2, test=2, ood=2)
    last = [*task_checks.check_task(task, symmetric)][-1]
    assert last.text == "none above l = 0 beside the points"
    assert last.passed is (True if symmetric else None)


@pytest.mark.slow
def test_the_default_model_of_another_size_has_its_own_time(monkeypatch):
    task = Plugin("nbody_gravity", {"train": 64, "val": 8, "test": 8, "ood": 8})
    measured = {}

    def measure(functions, rounds, clock):
        measured.update(functions)
        return {}

    monkeypatch.setattr(speed_check, "measure_functions", measure)
    tiny = Plugin("transformer", {"channels": 8, "layers": 1, "heads": 2})
    assert not [*speed_check.measure_speed(Run(task, tiny, Plugin("plain")), "cpu")]
    assert len(measured) == 4


def test_a_model_without_the_claim_may_break_the_symmetry(tmp_path):
    assert main(["try", *a_file(tmp_path, "x + self.weight * inputs['velocity'].abs()")]) == 0


UNUSABLE = {
    "empty": ("", "it has no function 'build'"),
    "raising": ("def build(signature):\n    return 1 / 0", "mine.py, line 2: ZeroDivisionError"),
    "exiting": ("import sys\ndef build(signature): sys.exit(0)", "mine.py, line 2: SystemExit: 0"),
}


@pytest.mark.parametrize(("text", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_model_that_cannot_be_built_is_one_line(text, words, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(text)
    assert main(["try", str(tmp_path / "mine.py"), "--task", "bodies"]) == 2
    shown = capsys.readouterr().err
    assert words in shown
    assert shown.count("\n") == 1


def test_a_task_file_that_returns_no_task_is_one_line(tmp_path, capsys):
    (tmp_path / "small.py").write_text("def load(seed):\n    return 3")
    assert main(["try", "--task", str(tmp_path / "small.py")]) == 2
    assert "has to return a Task, not int" in capsys.readouterr().err


def test_another_precision_is_named(tmp_path, capsys):
    task = tmp_path / "small.py"
    task.write_text(TASK.replace("return gravity", "task = gravity") + DOUBLED)
    assert main(["try", "--task", str(task)]) == 4
    assert "field 'mass' is torch.float64" in capsys.readouterr().out


def test_an_empty_split_ends_the_trial(tmp_path, capsys):
    task = tmp_path / "small.py"
    task.write_text(TASK.replace("return gravity", "task = gravity") + EMPTIED)
    assert main(["try", "--task", str(task)]) == 4
    assert "FAIL split 'train'" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_one_line(capsys):
    assert main(["try", "nowhere.py"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def clouds(generator, samples=60, turn_target=True):
    """Clouds of a few shapes in all poses, whose force turns with them or stays behind."""
    shape = torch.randn(1, 5, 3, generator=generator) + torch.zeros(samples, 1, 1)
    shape = shape + 0.01 * torch.randn(samples, 5, 3, generator=generator)
    inputs = {"position": shape, "velocity": shape.roll(1, 1) ** 2}
    targets = {"force": shape.roll(2, 1) ** 3}
    g = SO3.sample(inputs, generator)
    turned = act(g, targets, SIGNATURE.outputs) if turn_target else targets
    return Batch(act(g, inputs, SIGNATURE.inputs), turned)


def test_fields_that_turn_are_recognised(generator):
    assert fields_that_turn(clouds(generator), SIGNATURE) == {"velocity": True, "force": True}


def test_a_target_that_stays_behind_is_recognised(generator):
    found = fields_that_turn(clouds(generator, turn_target=False), SIGNATURE)
    assert found == {"velocity": True, "force": False}


def test_noise_is_not_said_to_turn_or_to_stay(generator):
    data = clouds(generator)
    noise = torch.randn(data.targets["force"].shape, generator=generator)
    assert fields_that_turn(Batch(data.inputs, {"force": noise}), SIGNATURE)["force"] is None


@pytest.mark.parametrize(("symmetric", "passed"), [(True, False), (False, None)])
def test_only_a_task_said_to_be_symmetric_fails_for_it(symmetric, passed, generator):
    data = clouds(generator, turn_target=False)
    task = Task(SIGNATURE, data, data, data, torch.nn.functional.mse_loss)
    results = {result.about: result for result in task_checks.check_task(task, symmetric)}
    assert results["field 'force'"].passed is passed
    assert "does not turn" in results["field 'force'"].text


def test_a_split_of_the_wrong_width_is_named(generator):
    data = clouds(generator)
    wide = Batch(data.inputs, {"force": torch.zeros(60, 5, 4)})
    task = Task(SIGNATURE, data, wide, data, torch.nn.functional.mse_loss)
    results = {result.about: result for result in task_checks.check_task(task, False)}
    assert results["split 'val'"].text == "field 'force' has 4 components, '1o' has 3"


@pytest.mark.slow
@pytest.mark.parametrize(("axes", "turns"), [([0, 1, 2], True), ([1, 0, 2], False)])
def test_a_field_with_two_axes_exchanged_does_not_turn(axes, turns, draw):
    position, velocity = draw(300, 5, 3), draw(300, 5, 3)
    apart = position[:, None] - position[:, :, None]
    force = (apart / (0.1 + apart.square().sum(-1, keepdim=True)) ** 1.5).sum(2) + velocity
    data = Batch({"position": position, "velocity": velocity}, {"force": force[..., axes]})
    assert fields_that_turn(data, SIGNATURE)["force"] is turns


@pytest.mark.parametrize(("symmetric", "passed"), [(True, False), (False, None)])
def test_padded_data_are_said_not_to_tell(symmetric, passed, generator):
    data = clouds(generator)
    data = Batch(data.inputs | {"mask": torch.ones(60, 5, 1)}, data.targets)
    task = Task(SIGNATURE, data, data, data, torch.nn.functional.mse_loss)
    result = list(task_checks.check_task(task, symmetric))[-1]
    assert result.passed is passed
    assert "do not tell" in result.text

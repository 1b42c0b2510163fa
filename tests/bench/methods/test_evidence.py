"""The Laplace evidence: exact for a linear map, its gradients, and what short runs find."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from bench import Plugin
from bench.core import plugins
from bench.methods._laplace import Evidence, posterior_mode, problem_of
from bench.training.execute import execute
from bench.training.selection import load_sweep
from models.discovery.pathways import build

LINEAR = plugins.load("tasks", "linear_maps")
DIGITS = plugins.load("tasks", "quadrants")
PRIORS = torch.tensor([0.3, 1.2]).double(), torch.tensor(-1.1).double()


def parts(task, likelihood="gaussian", **options):
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(0)
        model = build(task.signature, **options)
    return problem_of(model, task.train.inputs, task.train.targets, likelihood)


@pytest.fixture(scope="module")
def linear():
    return parts(LINEAR.load(0, n=4, train=10))


@pytest.fixture(scope="module")
def digits():
    task = DIGITS.load(0, train=6, val=1, test=1)
    return parts(task, "categorical", channels=1, layers=1, kernel=3, paths=("conv",))


def evidence_of(problem, weights, how="full"):
    return Evidence(problem, weights, problem.curvature(weights, how))


def at_mode(linear, log_precision, log_variance):
    problem, weights, _ = linear
    return evidence_of(problem, posterior_mode(problem, weights, log_precision, log_variance))


def test_the_evidence_of_a_linear_map_is_that_of_a_gaussian(linear):
    problem, weights, _ = linear
    log_precision, log_variance = PRIORS
    group = problem.group
    design = torch.func.jacrev(problem.outputs)(weights).flatten(0, 1)
    covariance = (design / log_precision[group].exp()) @ design.mT
    covariance += log_variance.exp() * torch.eye(len(design)).double()
    gaussian = torch.distributions.MultivariateNormal(torch.zeros(len(design)).double(), covariance)
    expected = gaussian.log_prob(problem.target.flatten())
    assert_close(at_mode(linear, *PRIORS).log(*PRIORS), expected, rtol=1e-9, atol=1e-9)


def differences(function, values, step=1e-4):
    ends = [[function(values + s * e) for s in (step, -step)] for e in step_vectors(values)]
    return torch.stack([(up - down) / (2 * step) for up, down in ends])


def step_vectors(values):
    return torch.eye(max(values.numel(), 1)).double().view(-1, *values.shape)


@pytest.mark.parametrize("which", [0, 1], ids=["precision", "variance"])
def test_gradients_are_those_of_refitted_evidence(linear, which):
    """The mode moves with the priors; by the envelope theorem that does not count."""

    def refit(value):
        priors = [*PRIORS]
        priors[which] = value
        return at_mode(linear, *priors).log(*priors)

    evidence = at_mode(linear, *PRIORS)
    slope = torch.func.grad(evidence.log, argnums=which)(*PRIORS).reshape(-1)
    assert_close(slope, differences(refit, PRIORS[which]), rtol=1e-6, atol=1e-6)


def test_gradients_of_classes_are_those_of_the_evidence(digits):
    problem, weights, names = digits
    evidence, variance = evidence_of(problem, weights), torch.zeros(()).double()
    log_precision = torch.linspace(-1, 1, len(names)).double()
    slope = torch.func.grad(lambda p: evidence.log(p, variance))(log_precision)
    expected = differences(lambda p: evidence.log(p, variance), log_precision)
    assert_close(slope, expected, rtol=1e-6, atol=1e-6)


def test_curvature_of_probabilities_is_that_of_logits(digits):
    problem, weights, _ = digits
    p = problem.outputs(weights)
    of_logits = torch.diag_embed(p) - p[:, :, None] * p[:, None]

    def logits(w):
        return problem.outputs(w).log()  # up to a constant of each sample, which counts for nothing

    jacobian = torch.func.jacrev(logits)(weights)
    expected = torch.einsum("ncp,ncd,ndq->pq", jacobian, of_logits, jacobian)
    assert_close(problem.curvature(weights).matrix, expected, rtol=1e-8, atol=1e-8)


def test_dimensions_go_from_all_weights_to_none(linear):
    problem, weights, _ = linear
    evidence, (_, variance) = evidence_of(problem, weights), PRIORS
    loose, tight = (torch.full((2,), value).double() for value in (-20.0, 20.0))
    assert evidence.dimensions(tight, variance).max() < 1e-3
    assert evidence.dimensions(loose, variance).sum() > 15.9  # the map itself is determined


@pytest.mark.parametrize("path", ["conv", "free"])
def test_kronecker_factors_are_exact_for_a_linear_layer(path):
    problem, weights, _ = parts(LINEAR.load(0, n=4, train=10), paths=(path,))
    full, factors = (evidence_of(problem, weights, how) for how in ("full", "kronecker"))
    priors = PRIORS[0][:1], PRIORS[1]
    assert_close(factors.log(*priors), full.log(*priors), rtol=1e-9, atol=1e-9)
    assert_close(factors.dimensions(*priors), full.dimensions(*priors), rtol=1e-9, atol=1e-9)


def test_kronecker_factors_are_no_more_than_near_with_two_layers(digits):
    problem, weights, _ = digits
    full, factors = (problem.curvature(weights, how) for how in ("full", "kronecker"))
    assert_close(factors.spectrum.sum(), full.matrix.trace(), rtol=0.3, atol=0)


def test_kronecker_factors_need_linear_layers():
    bodies = plugins.load("tasks", "filters").load(0, train=2, val=1, test=1)
    model = plugins.load("models", "discovery/msr").build(bodies.signature, "convolution")
    problem, weights, _ = problem_of(model, bodies.train.inputs, bodies.train.targets, "gaussian")
    with pytest.raises(ValueError, match="no Kronecker factors of"):
        problem.curvature(weights, "kronecker")


def run_of(**task):
    run = next(run for run in load_sweep("evidence") if run.task.name == "linear_maps")
    method = Plugin("evidence", {"rate": 0.3})
    return replace(run, task=Plugin("linear_maps", task), method=method, steps=60)


def scores(run):
    record = execute(run, "cpu", lambda step: None).record
    assert record.status == "done", record.reason
    return record.scores


def test_a_circulant_map_is_one():
    found = scores(run_of(n=4, kind="circulant"))
    assert found["free_dimension"] < 4
    assert found["conv_dimension"] > 3.8


def test_an_unstructured_map_is_one():
    assert scores(run_of(n=4, kind="unstructured"))["free_dimension"] > 11


@pytest.mark.slow
def test_learned_priors_have_more_evidence_than_fixed_ones():
    runs = [run for run in load_sweep("evidence") if run.task.kwargs.get("where") is False]
    both = [run for run in runs if "paths" not in run.model.kwargs and run.seed == 0]
    fixed, learned = (
        replace(run, model=Plugin("discovery/pathways", {"channels": 2, "kernel": 4}), steps=300)
        for run in (both[0], both[2])
    )
    assert (fixed.method.kwargs["learn"], learned.method.kwargs["learn"]) == (False, True)
    assert scores(learned)["log_evidence"] > scores(fixed)["log_evidence"]


@pytest.mark.slow
def test_factors_are_for_networks_of_many_weights():
    runs = [run for run in load_sweep("evidence") if run.method.kwargs.get("curvature")]
    assert scores(replace(runs[0], steps=171))["log_evidence"] < 0


def test_any_network_has_an_evidence():
    bodies = Plugin("nbody_gravity", {"train": 4, "val": 2, "test": 2, "ood": 2})
    model = Plugin("mlp", {"channels": 2, "layers": 1, "objects": 4})
    run = replace(run_of(), task=bodies, model=model, steps=2)
    run = replace(run, method=Plugin("evidence", {"newton": False}))
    assert scores(run)["best_step"] == 2


def test_convolutions_cannot_tell_a_shift():
    task = DIGITS.load(0, where=True, train=8, val=1, test=8)
    model = build(task.signature, channels=2, layers=2, kernel=4, paths=("conv",))
    x = task.test.inputs["x"]
    assert_close(model({"x": x})["class"], model({"x": x.roll(4, -1)})["class"])

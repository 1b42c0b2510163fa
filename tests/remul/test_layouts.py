"""Padded and ragged samples are one and the same: every public function gives equal numbers."""

import pytest
import torch
from forms import draw_forms, exact, network
from torch.nn.functional import mse_loss
from torch.testing import assert_close

import remul
from remul import E3, SO3

SIZES = {"equal": (3, 3), "unequal": (3, 1, 2, 4)}


def draw():
    return torch.Generator().manual_seed(1)


def elements(form):
    generator = draw()
    return [E3.sample(form.inputs, generator) for _ in range(2)]


def turns(form):
    return SO3.sample(form.inputs, draw())


def permutation(form):
    return remul.groups.permutations.sample(form.inputs, draw())


def still(inputs):
    """Equivariant under all that the network breaks."""
    found = network(inputs)
    return {name: x * 0 for name, x in found.items()} | {"p": inputs["p"]}


class Chain(torch.nn.Module):
    """The network in two stages."""

    def __init__(self, form):
        super().__init__()
        self.form = form

    def stages(self):
        types = self.form.signature.inputs

        def move(fields):
            return fields | {"p": fields["p"] + fields["p"].roll(1, -1) * fields["v"]}

        return {"move": (move, types), "network": (network, self.form.signature.outputs)}


def unlabelled(form):
    kept = remul.fields.UNTYPED | {"image"}
    return {n: x if n in kept else 2 * x for n, x in form.inputs.items()}


def pair(form):
    return form.batch, form.signature, elements(form), mse_loss


def permuted(form):
    after = remul.act(permutation(form), form.inputs, form.signature.inputs)
    return without_image(form.pad(after, after.get("edge_index")))


def in_space(form):
    """Fields of samples, objects and edges on which a group of the plane acts, and an element."""
    group = remul.PlanarGroup({"tilted": (1, 0)}, reflects=True)
    inputs, outputs = dict(form.signature.inputs), dict(form.signature.outputs)
    inputs["v"] = remul.Rep("1o", space="tilted")
    outputs["bond"] = remul.Rep("1o", objects=2, space="tilted")
    outputs["dipole"] = remul.Rep("1o", objects=0, space="tilted")
    return form.inputs, remul.Signature(inputs, outputs), [group.sample(form.inputs, draw())]


def without_image(fields):
    """Ragged samples have `shift` instead."""
    return {name: x for name, x in fields.items() if name != "image"}


SAMPLES = {  # numbers of each sample, or of all
    "equivariance_error": lambda f: remul.equivariance_error(
        network, f.inputs, f.signature, elements(f)[0]
    ),
    "mean_error": lambda f: remul.mean_error(network, f.inputs, f.signature, elements(f)),
    "expected_error": lambda f: remul.expected_error(network, f.inputs, f.signature, elements(f)),
    "error_over_floor": lambda f: remul.error_over_floor(
        network, still, f.inputs, f.signature, elements(f)
    ).log(),
    "error_by_axis": lambda f: remul.error_by_axis(network, f.inputs, f.signature, draw(), 1),
    "pose_shift": lambda f: remul.pose_shift(network, f.inputs, f.signature, draw(), 1).errors,
    "pose_differences": lambda f: torch.cat(
        [*remul.pose_differences(network, f.inputs, f.signature, draw(), [9]).mean.values()]
    ).sum(0),
    "lie_derivative_error": lambda f: remul.lie_derivative_error(network, f.inputs, f.signature),
    "lie_error_by_layer": lambda f: remul.lie_error_by_layer(Chain(f), f.inputs, f.signature, "z"),
    "error_spectrum": lambda f: remul.error_spectrum(network, f.inputs, f.signature, 1),
    "loss_terms": lambda f: remul.loss_terms(still, *pair(f)),
    "equivariance_loss": lambda f: remul.equivariance_loss(network, *pair(f)),
    "consistency_terms": lambda f: remul.consistency_terms(
        network, *pair(f), unlabelled=unlabelled(f)
    ),
    "consistency_loss": lambda f: remul.consistency_loss(network, f.inputs, *pair(f)[1:]),
    "lie_terms": lambda f: remul.lie_terms(
        network, f.batch, f.signature, remul.random_axes(f.inputs, draw()), mse_loss
    ),
    "error_by_nearest_pose": lambda f: (
        remul.error_by_nearest_pose(network, f.batch, f.signature, turns(f), draw(), 1).errors
    ),
    "field_distance": lambda f: remul.field_distance(
        still(f.inputs), f.batch.targets, mse_loss, f.inputs.get("mask")
    ),
    "Group.sample": lambda f: elements(f)[0].rotation,
    "permutations.sample": lambda f: permutation(f).order,
    "permuted error": lambda f: remul.equivariance_error(
        network, f.inputs, f.signature, permutation(f)
    ),
    "permuted loss": lambda f: remul.equivariance_loss(
        network, f.batch, f.signature, permutation(f), mse_loss
    ),
    "permuted": permuted,
    "error in a space": lambda f: remul.expected_error(network, *in_space(f)),
    "loss in a space": lambda f: remul.consistency_loss(network, *in_space(f), mse_loss),
    "mean in a space": lambda f: remul.group_average(network, *in_space(f)[1:])(f.inputs)["energy"],
    "len": lambda f: torch.tensor(len(f.batch)),
}
FIELDS = {  # fields of all objects
    "act": lambda f: remul.act(elements(f)[0], f.inputs, f.signature.inputs),
    "act one for all": lambda f: remul.act(
        SO3.sample({"one": torch.zeros(1, 1)}, draw()), f.inputs, f.signature.inputs
    ),
    "lie_derivative": lambda f: remul.lie_derivative(network, f.inputs, f.signature, "x"),
    "group_average": lambda f: remul.group_average(network, f.signature, elements(f))(f.inputs),
    "frame_average": lambda f: remul.frame_average(network, f.signature)(f.inputs),
    "canonicalise": lambda f: remul.canonicalise(network, f.signature)(f.inputs),
    "network": lambda f: network(f.inputs),
}
GROUPS = {"about_axis", "rotations_by_angle"}
MATRICES = {"cyclic", "dihedral", "quarter_turns", "shifts", "symmetric"}
CONVERSIONS = {"wigner", "irreps_to_matrix", "matrix_to_irreps"}
LOSSES = {"curvature", "random_axes", "interval", "adapt"}  # `lie_terms` calls the second
WITHOUT_FIELDS = GROUPS | MATRICES | CONVERSIONS | LOSSES
DENSE = {  # which look into layers, whose features have no form that is known
    "feature_spectrum", "hidden_features", "latent_terms", "latent_transform", "pooled_embedding",
}  # fmt: skip


@pytest.fixture(params=SIZES.values(), ids=SIZES)
def forms(request):
    return draw_forms(request.param, torch.Generator().manual_seed(0))


def same(found, expected):
    assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_every_function_is_here():
    functions = {name for name in remul.__all__ if name[0].islower()}
    here = SAMPLES.keys() | FIELDS.keys() | WITHOUT_FIELDS | DENSE | {"lie_error_by_field"}
    assert functions <= here


@pytest.mark.parametrize("name", SAMPLES)
def test_numbers_of_samples_are_those_of_the_other_form(name, forms):
    padded, ragged = (SAMPLES[name](form) for form in forms)
    same(ragged, padded)


@pytest.mark.parametrize("name", FIELDS)
def test_fields_are_those_of_the_other_form(name, forms):
    padded, ragged = (form.pad(FIELDS[name](form)) for form in forms)
    same(ragged, without_image(padded))


def test_errors_by_field_are_those_of_the_other_form(forms):
    padded, ragged = (
        remul.lie_error_by_field(network, form.inputs, form.signature, "z") for form in forms
    )
    same(ragged, without_image(padded))


@pytest.fixture
def ragged(generator):
    return draw_forms((3, 1, 2, 4), generator)[1]


class Recorder:
    """A network that keeps what it was given."""

    def __init__(self):
        self.given = []

    def __call__(self, inputs):
        self.given.append(inputs)
        return network(inputs)


@pytest.mark.parametrize("count", [1, 3])
def test_originals_and_copies_go_through_in_one_pass(count, ragged):
    model, elements = Recorder(), [E3.sample(ragged.inputs, draw())] * count
    remul.loss_terms(model, ragged.batch, ragged.signature, elements, mse_loss)
    (given,) = model.given
    objects, samples = len(ragged.inputs["batch"]), len(ragged.sizes)
    for part in range(count + 1):
        rows = slice(part * objects, (part + 1) * objects)
        assert torch.equal(given["batch"][rows], ragged.inputs["batch"] + part * samples)
    edges = given["edge_index"].chunk(count + 1, 1)
    assert torch.equal(edges[-1], ragged.inputs["edge_index"] + count * objects)


def shuffle_edges(form):
    order = torch.randperm(form.inputs["edge_index"].shape[1], generator=draw())
    moved = {name: form.inputs[name][order] for name in ("w", "shift")}
    moved["edge_index"] = form.inputs["edge_index"][:, order]
    return type(form)(form.sizes, form.signature, form.inputs | moved, ragged=True)


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "permuted"])
def test_edges_come_in_any_order(name, ragged):
    same(SAMPLES[name](shuffle_edges(ragged)), SAMPLES[name](ragged))


def test_samples_without_edges_are_samples(generator):
    _, lone = draw_forms((1, 1), generator)
    bare = lone.inputs | {name: lone.inputs[name][:0] for name in ("w", "shift")}
    bare["edge_index"] = torch.zeros(2, 0, dtype=torch.int64)
    lone.inputs = bare
    assert remul.expected_error(network, bare, lone.signature, elements(lone)).isfinite().all()


def test_unlabelled_samples_have_sizes_of_their_own(ragged, generator):
    other = draw_forms((2, 5), generator)[1]
    given = (ragged.signature, elements(other), mse_loss)
    found = remul.consistency_terms(network, ragged.batch, *given, unlabelled=other.inputs)
    same(found["equivariance"], remul.consistency_loss(network, other.inputs, *given))


def test_gradients_in_the_fields_are_finite(ragged):
    inputs = {
        n: x.requires_grad_() if x.is_floating_point() else x for n, x in ragged.inputs.items()
    }
    error = remul.expected_error(network, inputs, ragged.signature, elements(ragged)).sum()
    grads = torch.autograd.grad(error, [inputs["p"], inputs["cell"]])
    assert all(grad.isfinite().all() for grad in grads)


MOTIONS = {"E3": E3, "permutations": remul.groups.permutations}


@pytest.mark.parametrize("group", MOTIONS.values(), ids=MOTIONS)
def test_an_exact_network_has_no_error_in_any_sample(group, ragged):
    g = group.sample(ragged.inputs, draw())
    assert remul.equivariance_error(exact, ragged.inputs, ragged.signature, g).max() < 1e-12


def test_a_broken_network_has_one_in_every_sample(ragged):
    g = E3.sample(ragged.inputs, draw())
    assert remul.equivariance_error(network, ragged.inputs, ragged.signature, g).min() > 1e-3


def test_a_broken_network_has_one_in_every_sample_that_is_permuted(ragged):
    g = remul.groups.permutations.sample(ragged.inputs, draw())
    error = remul.equivariance_error(network, ragged.inputs, ragged.signature, g)
    assert torch.equal(error > 1e-6, (g.order != torch.arange(4)).any(1))


@pytest.mark.parametrize("wrap", [remul.frame_average, remul.canonicalise])
def test_frames_make_ragged_networks_exact(wrap, ragged):
    model, g = wrap(network, ragged.signature), remul.SE3.sample(ragged.inputs, draw())
    assert remul.equivariance_error(model, ragged.inputs, ragged.signature, g).max() < 1e-10


def test_a_cell_turns_along(ragged):
    g = SO3.sample(ragged.inputs, draw())
    cell = remul.act(g, ragged.inputs, ragged.signature.inputs)["cell"].view(-1, 3, 3)
    same(cell, ragged.inputs["cell"].view(-1, 3, 3) @ g.rotation.mT)


@pytest.mark.parametrize("name", ["batch", "edge_index", "shift"])
def test_indices_come_back_as_they_are(name, ragged):
    g = E3.sample(ragged.inputs, draw())
    assert remul.act(g, ragged.inputs, ragged.signature.inputs)[name] is ragged.inputs[name]


def test_calls_under_vmap_are_those_of_each():
    ragged = draw_forms((3, 1), draw())[1]
    g = elements(ragged)

    def error(p):
        return remul.expected_error(network, ragged.inputs | {"p": p}, ragged.signature, g)

    p = ragged.inputs["p"]
    same(torch.func.vmap(error)(torch.stack([p, 2 * p]))[1], error(2 * p))

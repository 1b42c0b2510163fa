"""Ragged samples, lists of edges and cells: every network gives what it gives padded samples."""

import inspect
import math

import pytest
import torch
from torch.testing import assert_close

import remul
from bench.core import plugins
from bench.timing.counters import flops, peak_bytes
from models.layers import edge_lists, edges, neighbours
from models.layers.edge_lists import _make_rows
from remul import (
    POINT,
    SCALAR,
    VECTOR,
    Element,
    Permutation,
    Rep,
    Signature,
    act,
    equivariance_error,
    lie_derivative_error,
)

pytestmark = pytest.mark.slow  # every network

COUNTS = torch.tensor([5, 1, 7, 2])
SAMPLE = torch.arange(4).repeat_interleave(COUNTS)
REAL = torch.arange(7) < COUNTS[:, None]
WHOLE, BOND, CELL = Rep("0e", objects=0), Rep("2x0e", objects=2), Rep("3x1o", objects=0)
BODIES = {"mass": SCALAR, "position": POINT, "velocity": VECTOR, "charge": WHOLE}
OUTPUTS = {"position": POINT, "force": VECTOR, "energy": WHOLE, "dipole": Rep("1o", objects=0)}
BONDED = Signature(BODIES | {"bond": BOND}, OUTPUTS)
FREE = Signature(BODIES, OUTPUTS)
CRYSTAL = Signature(
    {"mass": SCALAR, "position": POINT, "cell": CELL},
    {"energy": WHOLE, "force": VECTOR, "position": POINT},
)
ENERGY = Signature({"mass": SCALAR, "position": POINT}, {"energy": WHOLE})
SIMPLE = Signature(ENERGY.inputs, {"energy": WHOLE, "force": VECTOR})
NAMES = plugins.networks()


def takes(name, option):
    return option in inspect.signature(plugins.load("models", name).build).parameters


PAIRS = [name for name in NAMES if takes(name, "cutoff")]


def build(network, name, signature, **options):
    sizes = {"channels": 8, "layers": 2, "heads": 2, "degree": 2, "objects": 20} | options
    taken = {option: value for option, value in sizes.items() if takes(name, option)}
    return network(name, signature, **taken)


def group_of(name):
    """The group that a network claims, or translations alone."""
    claim = plugins.group_claim(name)
    return getattr(remul, claim) if claim else None


def in_cells(name):
    try:
        plugins.load("models", name).build(CRYSTAL)
    except ValueError:
        return False
    return True


IN_CELLS = [name for name in PAIRS if in_cells(name)]
every_network = pytest.mark.parametrize("name", NAMES)
every_pair_network = pytest.mark.parametrize("name", PAIRS)
every_cell_network = pytest.mark.parametrize("name", IN_CELLS)
reaches = pytest.mark.parametrize("reach", [{}, {"cutoff": 1.5}, {"neighbours": 2}], ids=str)


@pytest.fixture
def padded(draw):
    """Samples of different size in blocks, without bonds of an object to itself."""
    fields = {n: draw(4, *[7] * rep.objects, rep.dim) for n, rep in BONDED.inputs.items()}
    fields["bond"] = fields["bond"] * (1 - torch.eye(7)).view(1, 7, 7, 1)
    return fields | {"mask": REAL.unsqueeze(-1).double()}


@pytest.fixture
def ragged(padded, generator):
    """The same, ragged, edges in any order."""
    fields = {n: x[REAL] for n, x in padded.items() if BONDED.inputs.get(n, WHOLE).objects == 1}
    sample, receiver, sender = (REAL[:, :, None] & REAL[:, None] & ~torch.eye(7).bool()).nonzero().T
    order = torch.randperm(len(sample), generator=generator)
    first = (COUNTS.cumsum(0) - COUNTS)[sample]
    return fields | {
        "charge": padded["charge"],
        "batch": SAMPLE,
        "bond": padded["bond"][sample, receiver, sender][order],
        "edge_index": torch.stack([first + sender, first + receiver])[:, order],
    }


def leave_out(fields, *names):
    return {name: x for name, x in fields.items() if name not in names}


def keep_real(outputs):
    """Outputs of padded samples as ragged ones."""
    return {name: x[REAL] if x.dim() == 3 else x for name, x in outputs.items()}


@pytest.mark.parametrize("reach", [{}, {"cutoff": 1.5}], ids=str)
@every_network
def test_ragged_samples_give_what_padded_ones_do(name, reach, padded, ragged, network):
    model = build(network, name, BONDED, **reach)
    assert_close(model(ragged), keep_real(model(padded)), rtol=1e-12, atol=1e-12)


@reaches
@every_network
def test_edges_of_ragged_samples_are_found(name, reach, padded, ragged, network):
    model = build(network, name, FREE, **reach)
    fields = leave_out(ragged, "bond", "edge_index")
    expected = keep_real(model(leave_out(padded, "bond")))
    assert_close(model(fields), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bonded", [False, True])
@every_pair_network
def test_a_list_within_the_cutoff_gives_what_all_pairs_do(
    name, bonded, padded, network, monkeypatch
):
    model = build(network, name, BONDED if bonded else FREE, cutoff=1.5)
    fields = padded if bonded else leave_out(padded, "bond")
    expected = keep_real(model(fields))
    monkeypatch.setattr(neighbours, "FEW", 0)
    assert_close(keep_real(model(fields)), expected, rtol=1e-12, atol=1e-12)


def on_forty_objects(draw):
    return {name: draw(2, *[40] * rep.objects, rep.dim) for name, rep in BODIES.items()}


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # torch's own
@every_pair_network
def test_a_cutoff_holds_under_vmap_where_no_pairs_can_be_searched(name, network, draw):
    model, fields = build(network, name, FREE, cutoff=1.0), on_forty_objects(draw)

    def alone(sample):
        outputs = model({field: x[None] for field, x in sample.items()})
        return {field: x[0] for field, x in outputs.items()}

    assert_close(torch.func.vmap(alone)(fields), model(fields), rtol=1e-12, atol=1e-12)


@pytest.mark.system
@pytest.mark.parametrize("name", ["egnn", "nequip"])
def test_a_cutoff_holds_in_an_exported_network(name, network, draw):
    model, fields = build(network, name, FREE, cutoff=1.0), on_forty_objects(draw)
    exported = torch.export.export(model, (fields,)).module()
    assert_close(exported(fields), model(fields), rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # which the compiler reads
@pytest.mark.system
@pytest.mark.parametrize("given", [True, False])
def test_lists_of_edges_are_compiled(given, ragged, network):
    model = build(network, "egnn", FREE, cutoff=1.5)
    fields = leave_out(ragged, "bond", *[] if given else ["edge_index"])
    compiled = torch.compile(model, backend="eager")
    assert_close(compiled(fields), model(fields), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("spare", [0.0, 100.0])
@every_pair_network
def test_it_does_not_matter_how_edges_lie_in_rows(name, spare, ragged, network, monkeypatch):
    model = build(network, name, BONDED, cutoff=2.0)
    expected = model(ragged)
    monkeypatch.setattr(edge_lists, "SPARE", spare)
    assert_close(model(ragged), expected, rtol=1e-12, atol=1e-12)


@every_network
def test_ragged_gradients_are_those_of_padded_samples(name, padded, ragged, network):
    model, found = build(network, name, BONDED), []
    for fields in (ragged, padded):
        x = fields["position"].clone().requires_grad_()
        energy = model(fields | {"position": x})["energy"].square().sum()
        found.append(torch.autograd.grad(energy, x)[0])
    assert_close(found[0], found[1][REAL], rtol=1e-11, atol=1e-12)


@reaches
@pytest.mark.parametrize("name", [name for name in NAMES if plugins.claims_equivariance(name)])
def test_networks_are_exact_on_ragged_samples(name, reach, ragged, network, generator):
    model, fields = build(network, name, FREE, **reach), leave_out(ragged, "bond", "edge_index")
    g = group_of(name).sample(fields, generator)
    assert equivariance_error(model, fields, FREE, g).max() < 1e-12


@reaches
@pytest.mark.parametrize("name", [name for name in NAMES if not takes(name, "objects")])
def test_outputs_follow_the_order_of_ragged_objects(name, reach, ragged, network, generator):
    model, fields = build(network, name, FREE, **reach), leave_out(ragged, "bond", "edge_index")
    places = torch.rand(4, 7, generator=generator).masked_fill(~REAL, 2).argsort(1)
    g = Permutation(places.where(REAL, torch.arange(7)))
    moved = model(act(g, fields, BODIES))
    expected = act(g, model(fields) | {"batch": SAMPLE}, OUTPUTS)
    assert_close(moved, leave_out(expected, "batch"), rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch's own
@pytest.mark.parametrize("reach", [{}, {"cutoff": 1.5}], ids=str)
def test_lie_derivatives_of_ragged_samples_are_zero(reach, ragged, network):
    model, fields = build(network, "egnn", FREE, **reach), leave_out(ragged, "bond", "edge_index")
    assert lie_derivative_error(model, fields, FREE).max() < 1e-20


# Cells.


@pytest.fixture
def crystals(draw, generator):
    """Two crystals of three and two objects, in slanted cells."""
    sample = torch.tensor([0, 0, 0, 1, 1])
    cell = (2 * torch.eye(3) + 0.3 * draw(2, 3, 3)).double()
    place = torch.rand(5, 3, generator=generator, dtype=torch.float64)
    position = (place.unsqueeze(-1) * cell[sample]).sum(1)
    return {"mass": draw(5, 1), "position": position, "cell": cell.flatten(1), "batch": sample}


def cells_of(fields):
    return fields["cell"].unflatten(-1, (3, 3))[fields["batch"]]


def all_images(fields, cutoff):
    """Every edge up to the cut-off, by looking at all images."""
    x, cells, sample = fields["position"], cells_of(fields), fields["batch"]
    shifts = torch.cartesian_prod(*[torch.arange(-4, 5)] * 3)
    images = x[:, None] + shifts.double() @ cells  # (senders, shifts, 3)
    near = (images - x[:, None, None]).norm(dim=-1) < cutoff  # (receivers, senders, shifts)
    near &= (sample[:, None] == sample).unsqueeze(-1)
    near &= ~(torch.eye(len(x)).bool().unsqueeze(-1) & (shifts == 0).all(-1))
    receivers, senders, which = near.nonzero().T
    return {"edge_index": torch.stack([senders, receivers]), "shift": shifts[which]}


@every_cell_network
def test_images_are_found(name, crystals, network):
    model = build(network, name, CRYSTAL, cutoff=2.5)
    given = crystals | all_images(crystals, 2.5)
    assert_close(model(crystals), model(given), rtol=1e-12, atol=1e-12)


@every_cell_network
def test_padded_crystals_give_what_ragged_ones_do(name, crystals, network):
    real = torch.tensor([[True, True, True], [True, True, False]])
    fields = {"cell": crystals["cell"], "mask": real.unsqueeze(-1).double()}
    for field in ("mass", "position"):
        fields[field] = torch.full((2, 3, crystals[field].shape[-1]), torch.nan).double()
        fields[field][real] = crystals[field]
    model = build(network, name, CRYSTAL, cutoff=2.5)
    found = {n: x[real] if x.dim() == 3 else x for n, x in model(fields).items()}
    assert_close(found, model(crystals), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in IN_CELLS if group_of(name)])
def test_networks_are_exact_in_cells(name, crystals, network, generator):
    model = build(network, name, CRYSTAL, cutoff=2.5)
    g = group_of(name).sample(crystals, generator)
    assert equivariance_error(model, crystals, CRYSTAL, g).max() < 1e-12


@every_cell_network
def test_the_origin_of_a_cell_does_not_matter(name, crystals, network, draw):
    model = build(network, name, CRYSTAL, cutoff=2.5)
    g = Element(torch.eye(3).expand(2, 3, 3).double(), draw(2, 3))
    assert equivariance_error(model, crystals, CRYSTAL, g).max() < 1e-12


@every_cell_network
def test_the_image_of_an_object_does_not_matter(name, crystals, network):
    model, cells = build(network, name, CRYSTAL, cutoff=2.5), cells_of(crystals)
    steps = torch.tensor([[0, 0, 0], [1, -2, 0], [0, 0, 3], [-1, 0, 0], [0, 5, 0]]).double()
    moves = (steps.unsqueeze(-1) * cells).sum(1)
    expected = model(crystals)
    found = model(crystals | {"position": crystals["position"] + moves})
    found["position"] = found["position"] - moves
    assert_close(found, expected, rtol=1e-11, atol=1e-11)


@every_cell_network
def test_a_larger_cell_is_the_same_crystal(name, crystals, network):
    twice, cells = torch.cat([crystals["batch"]] * 2).sort(stable=True), cells_of(crystals)
    index = twice.indices % 5
    position = crystals["position"][index] + (twice.indices >= 5).unsqueeze(-1) * cells[index][:, 0]
    cell = crystals["cell"].clone()
    cell[:, :3] *= 2
    fields = {"mass": crystals["mass"][index], "position": position, "cell": cell}
    model = build(network, name, CRYSTAL, cutoff=2.5)
    expected, found = model(crystals), model(fields | {"batch": twice.values})
    assert_close(found["energy"], expected["energy"], rtol=1e-11, atol=1e-11)
    assert_close(found["force"], expected["force"][index], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in IN_CELLS])
def test_networks_with_a_centre_refuse_a_cell(name):
    with pytest.raises(ValueError, match=rf"{name} takes places from a centre, and a cell"):
        plugins.load("models", name).build(CRYSTAL)


def test_neighbours_in_a_cell_are_refused():
    with pytest.raises(ValueError, match="egnn takes a cutoff in a cell, not neighbours"):
        plugins.load("models", "egnn").build(CRYSTAL, neighbours=3)


def test_a_cell_needs_a_cutoff_or_edges(crystals, network):
    with pytest.raises(ValueError, match="a cell needs a cutoff, or 'edge_index' with 'shift'"):
        network("egnn", CRYSTAL)(crystals)


# Energies that are differentiated.


def energy_and_force(model, fields):
    x = fields["position"].clone().requires_grad_()
    energy = model(fields | {"position": x})["energy"].sum()
    return energy.detach(), torch.autograd.grad(energy, x)[0]


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("listed", [False, True])
@every_pair_network
def test_energy_and_forces_are_continuous_at_the_cutoff(name, listed, others, network, draw):
    model = build(network, name, ENERGY, cutoff=1.0)
    at = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 0.5, 0.2]])[: 2 + others].double()
    mass, n = draw(2 + others, 1), 2 + others

    def at_distance(d):
        position = at * torch.tensor([d, 1, 1]).double()
        fields = {"mass": mass, "position": position}
        if listed:
            return energy_and_force(model, fields | {"batch": torch.zeros(n, dtype=torch.long)})
        return energy_and_force(model, {field: x[None] for field, x in fields.items()})

    far, near = at_distance(1 + 1e-5), at_distance(1 - 1e-5)
    farther, nearer = at_distance(1 + 3e-5), at_distance(1 - 3e-5)
    # What is left of a smooth function: its own slope, the same on both sides.
    assert_close(near[0] - far[0], (nearer[0] - farther[0]) / 3, rtol=1e-3, atol=1e-9)
    assert_close(near[1] - far[1], (nearer[1] - farther[1]) / 3, rtol=1e-3, atol=1e-7)
    assert all(part.isfinite().all() for part in (*far, *near))


def test_without_an_envelope_energies_jump(network, draw, monkeypatch):
    monkeypatch.setattr(edges, "envelope", torch.ones_like)
    model = build(network, "egnn", SIMPLE, cutoff=1.0)
    fields = {"mass": draw(2, 1), "batch": torch.zeros(2, dtype=torch.long)}
    at = torch.tensor([[0.0, 0, 0], [1, 0, 0]]).double()
    far, near = (model(fields | {"position": at * (1 + step)}) for step in (1e-5, -1e-5))
    assert (far["energy"] - near["energy"]).abs() > 1e-6


@every_pair_network
def test_forces_within_a_cutoff_are_slopes(name, ragged, network):
    model = build(network, name, FREE, cutoff=1.5)
    fields = leave_out(ragged, "bond", "edge_index")

    def energy(x):
        return model(fields | {"position": x})["energy"]

    x = fields["position"].clone().requires_grad_()
    assert torch.autograd.gradcheck(energy, x, fast_mode=True)


@every_cell_network
def test_energies_have_slopes_along_cells(name, crystals, network):
    model = build(network, name, CRYSTAL, cutoff=2.5)

    def energy(x, cell):
        return model(crystals | {"position": x, "cell": cell})["energy"]

    inputs = [crystals[field].clone().requires_grad_() for field in ("position", "cell")]
    assert torch.autograd.gradcheck(energy, inputs, fast_mode=True)


# What there may be little of.


@pytest.mark.parametrize("reach", [{}, {"cutoff": 1.0}, {"neighbours": 2}], ids=str)
@pytest.mark.parametrize(("count", "far"), [(1, 0.0), (4, 100.0)])
@every_network
def test_few_objects_and_far_ones_have_finite_outputs(name, count, far, reach, network, draw):
    apart = far * torch.eye(4, 3).double()[:count]
    fields = {"mass": draw(count, 1), "position": draw(count, 3) + apart}
    fields |= {"velocity": draw(count, 3), "charge": draw(1, 1)}
    fields["batch"] = torch.zeros(count, dtype=torch.long)
    model = build(network, name, FREE, **reach)
    energy, force = energy_and_force(model, fields)
    assert energy.isfinite()
    assert force.isfinite().all()


@every_network
def test_no_edges_are_as_good_as_far_objects(name, network, draw, ragged):
    fields = leave_out(ragged, "bond") | {"edge_index": torch.zeros(2, 0, dtype=torch.long)}
    outputs = build(network, name, FREE)(fields)
    assert all(x.isfinite().all() for x in outputs.values())


WRONG = {
    "batch is not sorted": {"batch": SAMPLE.flip(0)},
    "batch skips a sample": {"batch": 2 * SAMPLE},
    "batch is torch.float32": {"batch": SAMPLE.float()},
    "edge_index joins objects of different samples": {"edge_index": torch.tensor([[0], [14]])},
    "edge_index goes beyond the objects": {"edge_index": torch.tensor([[0], [15]])},
    "mass": {"mass": torch.zeros(14, 1)},
    "charge": {"charge": torch.zeros(3, 1)},
}


@pytest.mark.parametrize("fault", WRONG)
@every_network
def test_wrong_ragged_fields_are_refused_by_name(name, fault, ragged, network):
    field, *rest = fault.split(" ", 1)
    says = f"field '{field}'{''.join(' ' + part for part in rest)}"
    fields = leave_out(ragged, "bond") | WRONG[fault]
    with pytest.raises(ValueError, match=says):
        build(network, name, FREE)(fields)


@pytest.mark.parametrize("cutoff", [-1.0, 0.0, math.inf, math.nan])
def test_a_cutoff_is_a_number_above_zero(cutoff):
    with pytest.raises(ValueError, match=f"egnn needs a finite cutoff above 0, got {cutoff}"):
        plugins.load("models", "egnn").build(FREE, cutoff=cutoff)


@every_pair_network
def test_a_cutoff_comes_without_neighbours(name):
    build_model = plugins.load("models", name).build
    with pytest.raises(ValueError, match=f"{name} takes neighbours or a cutoff, not both"):
        build_model(FREE, cutoff=1.0, neighbours=3)


# What it costs.


def graph(count, degree, generator):
    """Objects to each of which so many others send."""
    receivers = torch.arange(count).repeat_interleave(degree)
    step = torch.randint(1, count, (count * degree,), generator=generator)
    return {
        "mass": torch.randn(count, 1, generator=generator),
        "position": torch.randn(count, 3, generator=generator),
        "batch": torch.zeros(count, dtype=torch.long),
        "edge_index": torch.stack([(receivers + step) % count, receivers]),
    }


@every_pair_network
def test_memory_grows_with_the_edges(name, network, generator):
    model, peaks = build(network, name, SIMPLE, channels=4, degree=1).float(), []
    for count in (100, 300):
        fields = graph(count, 8, generator)
        peaks.append(peak_bytes(lambda fields=fields: model(fields)))
    assert math.log(peaks[1] / peaks[0], 3) < 1.1


@every_pair_network
def test_a_training_step_grows_with_the_edges(name, network, generator):
    model, costs = build(network, name, SIMPLE, channels=4, degree=1).float(), []
    for count in (100, 300):
        fields = graph(count, 8, generator)

        def step(fields=fields):
            model(fields)["force"].square().sum().backward()

        costs.append((flops(step), peak_bytes(step)))
    assert max(math.log(last / first, 3) for first, last in zip(*costs, strict=True)) < 1.1


@every_pair_network
def test_a_hub_costs_no_more_than_its_edges(name, network, generator):
    model, peaks = build(network, name, SIMPLE, channels=4, degree=1).float(), []
    for count in (100, 300):
        fields = graph(count, 1, generator)
        fields["edge_index"] = torch.stack([torch.arange(1, count), torch.zeros(count - 1).long()])
        peaks.append(peak_bytes(lambda fields=fields: model(fields)))
    assert math.log(peaks[1] / peaks[0], 3) < 1.1


def test_rows_hold_every_edge_once(generator):
    receivers = torch.randint(50, (300,), generator=generator).sort().values
    for several, spare in ((False, 1.5), (True, 0.0), (True, 100.0)):
        edge_lists.SPARE, before = spare, edge_lists.SPARE
        rows = _make_rows(receivers, 50, several)
        edge_lists.SPARE = before
        owners = torch.arange(50) if rows.receivers is None else rows.receivers
        held = rows.edge[rows.real.bool()]
        assert held.sort().values.tolist() == list(range(300))
        assert (receivers[rows.edge] == owners[:, None])[rows.real.bool()].all()

"""Forces from an energy: the gradient they are, their symmetry, and how they are trained."""

from inspect import signature

import pytest
import torch
from networks import load
from torch.testing import assert_close

import remul
from bench.core import plugins
from bench.core.networks import build_network
from bench.data.crystals import Crystal, draw_crystal, join_crystals
from bench.tasks import crystal
from models.layers.conservative import ENERGY, FORCE
from remul import POINT, SCALAR, VECTOR, Element, Signature, equivariance_error, irreps_to_matrix

pytestmark = pytest.mark.slow  # every network

INPUTS = {"position": POINT, "charge": SCALAR}
SIGNATURE = Signature(INPUTS, {"energy": ENERGY, "force": FORCE})
NETWORKS = plugins.networks()
EXACT = [name for name in NETWORKS if plugins.claims_equivariance(name)]


@pytest.fixture
def inputs(draw):
    return {"position": draw(2, 5, 3), "charge": draw(2, 5, 1)}


def conservative(name):
    torch.random.manual_seed(0)
    return build_network(name, SIGNATURE, channels=8, layers=2, conservative=True).double()


@pytest.mark.parametrize("name", NETWORKS)
def test_forces_are_minus_the_slope_of_the_energy(name, inputs, draw):
    model, direction = conservative(name), draw(2, 5, 3)
    step = 1e-5 * direction / direction.norm()
    ahead, behind = (
        model(inputs | {"position": inputs["position"] + move})["energy"].sum()
        for move in (step, -step)
    )
    work = (model(inputs)["force"] * step).sum()
    size = model(inputs)["force"].norm() * step.norm()
    assert abs((behind - ahead) / 2 - work) < 1e-6 * size


@pytest.mark.parametrize("name", EXACT)
def test_an_invariant_energy_has_equivariant_forces(name, inputs, generator):
    group = getattr(remul, plugins.group_claim(name))
    g = group.sample(inputs, generator)
    assert equivariance_error(conservative(name), inputs, SIGNATURE, g).max() < 1e-11


@pytest.mark.parametrize("name", NETWORKS)
def test_forces_have_gradients_to_train_with(name, inputs):
    model = conservative(name)
    model(inputs)["force"].square().sum().backward()
    assert any(weight.grad is not None and weight.grad.any() for weight in model.parameters())


def test_inference_gives_the_forces_of_training(inputs):
    model = conservative("egnn")
    trained = model(inputs)["force"].detach()
    with torch.inference_mode():
        inferred = model({name: x.clone() for name, x in inputs.items()})["force"]
    with torch.no_grad():
        plain = model(inputs)
    assert_close(inferred, trained)
    assert_close(plain["force"], trained)
    assert not plain["energy"].requires_grad


def test_padding_has_no_energy_and_no_forces(inputs, draw):
    model = conservative("egnn")
    mask = torch.ones(2, 7, 1)
    mask[:, 5:] = 0
    padded = {name: torch.cat([x, draw(2, 2, x.shape[-1])], 1) for name, x in inputs.items()}
    found = model(padded | {"mask": mask})
    assert_close(found["energy"], model(inputs)["energy"])
    assert_close(found["force"][:, :5], model(inputs)["force"])
    assert not found["force"][:, 5:].any()


@pytest.mark.parametrize("name", NETWORKS)
def test_forces_of_ragged_samples_are_those_of_padded_ones(name, inputs):
    model, counts = conservative(name), torch.tensor([5, 3])
    real = torch.arange(5) < counts[:, None]
    expected = model(inputs | {"mask": real.unsqueeze(-1).double()})
    ragged = {field: x[real] for field, x in inputs.items()}
    found = model(ragged | {"batch": torch.arange(2).repeat_interleave(counts)})
    assert_close(found["energy"], expected["energy"], rtol=1e-12, atol=1e-12)
    assert_close(found["force"], expected["force"][real], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "outputs",
    [{"force": VECTOR}, {"energy": SCALAR, "force": VECTOR}, {"energy": ENERGY, "way": POINT}],
)
def test_other_outputs_are_refused(outputs):
    with pytest.raises(ValueError, match="conservative network takes a point and gives an energy"):
        build_network("egnn", Signature(INPUTS, outputs), conservative=True)


@pytest.mark.parametrize("second", [lambda x: x, lambda x: x**2], ids=["itself", "its square"])
def test_fields_made_of_each_other_have_the_slope_of_an_ordinary_pass(second, inputs):
    """Of a network that sees one tensor, or what is made of it, in two fields."""
    types = Signature({"position": POINT, "velocity": VECTOR}, dict(SIGNATURE.outputs))
    torch.random.manual_seed(0)
    model = build_network("egnn", types, channels=8, layers=2, conservative=True).double()
    x = inputs["position"]

    def solve(x):
        return model({"position": x, "velocity": second(x)})["energy"].sum()

    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(solve(leaf), leaf)
    step = 1e-5 * torch.ones_like(x)
    assert_close((slope * step).sum(), (solve(x + step) - solve(x - step)) / 2, rtol=1e-6, atol=0)


def test_an_energy_that_sees_no_places_has_no_forces(inputs):
    model = build_network("drift", SIGNATURE, conservative=True).double()
    assert not model(inputs)["force"].any()


CRYSTAL = crystal.SIGNATURE
CUT_OFF = [
    name
    for name in NETWORKS
    if name != "evfn" and "cutoff" in signature(load(name).build).parameters  # it takes no cell
]


@pytest.mark.parametrize("name", CUT_OFF)
def test_stress_and_forces_of_a_crystal_are_slopes_of_its_energy(name, generator, draw):
    """Of neighbours that the network finds itself, images among them."""
    torch.random.manual_seed(0)
    model = build_network(name, CRYSTAL, channels=8, layers=2, cutoff=1.5, conservative=True)
    model = model.double()
    drawn = [draw_crystal(lattice, 0.05, 0.03, generator) for lattice in ("bcc", "fcc")]
    bend, way = draw(3, 3), [draw(*each.position.shape) for each in drawn]
    bend = (bend + bend.mT) / 2

    def solve(strain=0.0, step=0.0):
        move = torch.eye(3).double() + strain * bend
        moved = [
            Crystal((c.position + step * w) @ move, c.species, c.cell @ move)
            for c, w in zip(drawn, way, strict=True)
        ]
        inputs = join_crystals(moved)[0]
        return model({n: x for n, x in inputs.items() if n not in ("edge_index", "shift")})

    found, tiny = solve(), 1e-5
    volumes = torch.stack([torch.linalg.det(c.cell) for c in drawn])[:, None]
    power = (irreps_to_matrix(found["stress"]) * bend).sum((1, 2)).unsqueeze(1) * volumes
    slope = (solve(strain=tiny)["energy"] - solve(strain=-tiny)["energy"]) / (2 * tiny)
    assert_close(power, slope, rtol=1e-6, atol=1e-9)
    work = (found["force"] * torch.cat(way)).sum()
    slope = (solve(step=tiny)["energy"] - solve(step=-tiny)["energy"]).sum() / (2 * tiny)
    assert_close(-work, slope, rtol=1e-6, atol=1e-9)


@pytest.fixture
def crystals(generator):
    """Two crystals, ragged, whose edges each network finds itself."""
    drawn = [draw_crystal(lattice, 0.05, 0.03, generator) for lattice in ("sc", "bcc")]
    inputs = join_crystals(drawn)[0]
    return {n: x for n, x in inputs.items() if n not in ("edge_index", "shift")}


def in_cells(name):
    torch.random.manual_seed(0)
    options = {"channels": 4, "layers": 2, "cutoff": 1.2, "conservative": True}
    return build_network(name, CRYSTAL, **options).double()


def test_the_stress_of_a_slab_is_over_its_area_and_of_a_wire_over_its_length(draw):
    """As if it were one long along what does not repeat, a length that is taken out."""
    x, model = 0.5 * draw(1, 4, 3), in_cells("egnn")
    fields = {"species": torch.ones(1, 4, 1).double(), "position": x}
    for sides in ([2.0, 3.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]):
        cells = [torch.tensor(sides).double(), torch.tensor([side or 50.0 for side in sides])]
        open_, long = (
            model(fields | {"cell": torch.diag(cell.double()).flatten()[None]})["stress"]
            for cell in cells
        )
        assert_close(open_, long * 50.0 ** sides.count(0.0), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CUT_OFF)
def test_padded_crystals_have_the_forces_and_stress_of_ragged_ones(name, crystals):
    model, counts = in_cells(name), crystals["batch"].bincount()
    real = torch.arange(counts.max()) < counts[:, None]
    padded = {"cell": crystals["cell"], "mask": real.unsqueeze(-1).double()}
    for field in ("species", "position"):
        padded[field] = torch.zeros(*real.shape, crystals[field].shape[-1]).double()
        padded[field][real] = crystals[field]
    found, expected = model(padded), model(crystals)
    found["force"] = found["force"][real]
    assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in CUT_OFF if name in EXACT])
def test_forces_and_stress_of_crystals_turn_along(name, crystals, generator):
    g = getattr(remul, plugins.group_claim(name)).sample(crystals, generator)
    assert equivariance_error(in_cells(name), crystals, CRYSTAL, g).max() < 1e-11


@pytest.mark.parametrize("name", CUT_OFF)
def test_the_origin_of_a_cell_changes_no_force(name, crystals, draw):
    g = Element(torch.eye(3).expand(2, 3, 3).double(), draw(2, 3))
    assert equivariance_error(in_cells(name), crystals, CRYSTAL, g).max() < 1e-11


@pytest.mark.parametrize("name", CUT_OFF)
def test_the_order_of_atoms_changes_no_crystal(name, crystals, generator):
    counts = crystals["batch"].bincount()
    ends = counts.cumsum(0).tolist()
    order = torch.cat(
        [
            torch.randperm(n, generator=generator) + end - n
            for n, end in zip(counts.tolist(), ends, strict=True)
        ]
    )
    model = in_cells(name)
    moved = {n: crystals[n][order] for n in ("species", "position")}
    found, expected = model(crystals | moved), model(crystals)
    expected["force"] = expected["force"][order]
    assert_close(found, expected, rtol=1e-12, atol=1e-12)

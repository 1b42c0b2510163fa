"""Molecules: the files and the split of MD17, and the dynamics that are made here."""

from importlib.util import find_spec

import numpy as np
import pytest
import recordings
from numpy.testing import assert_allclose

from bench.cli import main
from bench.core import plugins
from bench.data import md17, molecules, motion, xtb_md
from bench.data.archive import read_npz
from bench.data.xtb_md import State, drift, load_trajectory, temperature
from bench.system.checkout import ROOT

MD17, FORCES = (plugins.load("tasks", name) for name in ("md17", "md17_forces"))
GFN2 = plugins.load("tasks", "md_gfn2")
SPLITS = ROOT.parent / "shared" / "data" / "md17_splits" / "gmn_split_heads.npz"
SMALL = {"train": 16, "val": 8, "test": 8}
xtb = pytest.mark.skipif(
    not (find_spec("tblite") and find_spec("rdkit")), reason="needs the extra xtb: tblite, rdkit"
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder with a made-up trajectory of aspirin, of three heavy atoms and a hydrogen."""
    folder = tmp_path_factory.mktemp("md17")
    recordings.write_molecule(folder)
    return str(folder)


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Dynamics of springs, kept in a folder of their own."""
    monkeypatch.setenv("REMUL_DATA", str(tmp_path))
    recordings.quicken(monkeypatch)
    return monkeypatch


def quiet(done, total):
    pass


@pytest.mark.skipif(not SPLITS.is_file(), reason=f"needs the published split in {SPLITS}")
@pytest.mark.parametrize("molecule", md17.FRAMES)
def test_start_frames_are_the_published_ones(molecule):
    published = read_npz(SPLITS)
    name = {"benzene": "benzene_old"}.get(molecule, molecule)
    for part, starts in MD17.draw(md17.FRAMES[molecule], 3000).items():
        expected = published[f"{name}_{part}"]
        assert np.array_equal(starts[: len(expected)], expected)


def test_inputs_and_targets_are_of_the_published_frames(source):
    raw, starts = recordings.molecule(), MD17.draw(20_500, 50)["val"][:8]
    batch = MD17.load(0, source=source, delta=50, **SMALL).val
    position = raw["R"][:, raw["z"] > 1]
    assert_allclose(batch.inputs["position"], position[starts], rtol=1e-5)
    assert_allclose(
        batch.inputs["velocity"], position[starts + 1] - position[starts], rtol=1e-2, atol=1e-5
    )
    assert_allclose(batch.targets["position"], position[starts + 50], rtol=1e-5)


def test_charges_are_relative_to_the_largest(source):
    charge = MD17.load(0, source=source, delta=50, **SMALL).test.inputs["charge"]
    assert charge[0].flatten().tolist() == pytest.approx([6 / 8, 7 / 8, 1])


def test_atoms_within_a_bond_length_are_bonded():
    position = np.array([[0, 0, 0], [1.5, 0, 0], [3.2, 0, 0], [1.5, 1.59, 0]])
    assert molecules.bonds(position) == [[0, 1], [1, 3]]


def test_two_hops_lead_past_one_neighbour_and_not_back():
    one, two = motion.adjacency([(0, 1), (1, 2), (2, 3), (3, 1)], 4).unbind(-1)
    assert one.nonzero().tolist() == [
        [0, 1], [1, 0], [1, 2], [1, 3], [2, 1], [2, 3], [3, 1], [3, 2],
    ]  # fmt: skip
    assert two.nonzero().tolist() == [[0, 2], [0, 3], [2, 0], [3, 0]]


def test_energies_are_counted_from_their_mean(source):
    task = FORCES.load(0, source=source, **SMALL)
    assert abs(task.train.targets["energy"].mean()) < 1e-5


def test_forces_belong_to_their_positions(source):
    test = FORCES.load(0, source=source, **SMALL).test
    assert_allclose(test.targets["force"], -test.inputs["position"])  # so they are made up


def test_elements_are_one_hot(source):
    element = FORCES.load(0, source=source, **SMALL).test.inputs["element"][0]
    assert element.argmax(-1).tolist() == [1, 2, 3, 0]


def test_an_unknown_element_is_refused():
    frames = recordings.molecule(10) | {"z": np.array([6, 7, 16, 1])}
    with pytest.raises(ValueError, match=r"among \(1, 6, 7, 8\), found \[16\]"):
        molecules.forces(frames, dict.fromkeys(SMALL, np.arange(3)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"F": None}, "lacks F; there are R, z, E"),
        ({"F": np.zeros((5, 4, 3))}, r"R and F have to be \(20500, 4, 3\), are"),
        ({"z": np.array([6, 6])}, r"R and F have to be \(20500, 2, 3\), are"),
        ({"z": np.array([None])}, "no sound .npz file"),
    ],
)
def test_files_of_another_kind_are_refused(change, message, tmp_path):
    arrays = {k: x for k, x in (recordings.molecule() | change).items() if x is not None}
    np.savez(tmp_path / "md17_aspirin.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        MD17.load(0, source=str(tmp_path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"molecule": "water"}, "no molecule 'water'; there are aspirin"),
        ({"delta": 0}, "a delta from 1 to 10000"),
        ({"train": 50}, "train has to be from 1 to 49 samples, got 50"),
    ],
)
def test_md17_refuses_what_there_is_not(options, message, source):
    with pytest.raises(ValueError, match=message):
        MD17.load(0, **{"source": source, **SMALL, **options})


def test_no_target_is_beyond_its_part_of_the_time():
    starts = molecules.block_by_time(0, 1000, 50, {"train": 550, "val": 150, "test": 150})
    assert [(at.min(), at.max()) for at in starts.values()] == [(0, 549), (600, 749), (800, 949)]


def test_more_samples_than_there_are_is_refused():
    with pytest.raises(ValueError, match="val has to be from 1 to 150 samples, got 151"):
        molecules.block_by_time(0, 1000, 50, {"train": 550, "val": 151, "test": 150})


def test_targets_before_their_inputs_are_refused():
    with pytest.raises(ValueError, match="3 frames before"):
        molecules.block_by_time(0, 1000, -3, {"train": 1, "val": 1, "test": 1})


def test_a_free_atom_flies_straight():
    state = State(np.zeros((1, 3)), np.ones((1, 3)), 0.0, np.zeros((1, 3)))
    later = xtb_md.step(state, np.ones((1, 1)), lambda x: (0.0, 0 * x))
    assert_allclose(later.position, 0.5 * np.ones((1, 3)))


def test_a_spring_swings_in_its_period():
    surface, mass = recordings.springs(None), np.array([[1.0]])
    x = np.array([[1.0, 0, 0]])
    state = State(x, 0 * x, *surface(x))
    period = 2 * np.pi / (10.0 * xtb_md.ACCELERATION) ** 0.5  # fs, of a spring of 10 kcal/mol/Å²
    for _ in range(round(period / xtb_md.DT)):
        state = xtb_md.step(state, mass, surface)
    assert_allclose(state.position, x, atol=1e-4)


def test_an_interrupted_trajectory_continues_from_its_last_block(quick):
    following, made = xtb_md._continue, []

    def interrupted(frames):
        if len(made) == 4:
            raise KeyboardInterrupt
        made.append(following(frames))
        return made[-1]

    whole = load_trajectory("ethanol", 500, 1, quiet)
    quick.setattr(xtb_md, "_continue", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_trajectory("ethanol", 500, 0, quiet)
    made.clear()
    frames = load_trajectory("ethanol", 500, 0, quiet)
    assert (len(made), len(frames["R"])) == (2, len(whole["R"]))


def test_a_longer_trajectory_begins_with_the_shorter(quick):
    short, long = (load_trajectory("ethanol", frames, 0, quiet) for frames in (150, 250))
    assert np.array_equal(short["R"], long["R"][:150])


def test_progress_is_told_for_what_is_made(quick):
    told = []
    for frames in (200, 300):
        load_trajectory("ethanol", frames, 0, lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2), (3, 3)]


def test_the_temperature_is_near_the_one_wanted(quick):
    for name, value in {"SETTLING": 2000, "EQUILIBRATION_ROUNDS": 4, "BLOCK": 1000}.items():
        quick.setattr(xtb_md, name, value)
    frames = load_trajectory("ethanol", 2000, 0, quiet)
    assert temperature(frames).mean() == pytest.approx(500, rel=0.1)


def test_make_tells_temperature_and_drift(quick, capsys):
    assert main(["data", "make", "md_gfn2", "ethanol", "frames=200"]) == 0
    assert "GFN2-xTB ethanol, 200 frames: " in capsys.readouterr().out


def test_other_molecules_are_refused(quick):
    with pytest.raises(ValueError, match="no molecule 'water'; there are aspirin"):
        GFN2.load(0, "water")


def test_a_missing_extra_is_named(quick):
    with pytest.raises(ValueError, match=r"md_gfn2 needs no_such: pip install 'remul\[xtb\]'"):
        xtb_md._import_extra("no_such.thing")


@pytest.fixture(scope="module")
def ethanol():
    """A fifth of a picosecond of ethanol with GFN2-xTB, made from a shortened preparation."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"SETTLING": 300, "EQUILIBRATION_ROUNDS": 1, "BLOCK": 400}.items():
            patch.setattr(xtb_md, name, value)
        start = xtb_md._equilibrate("ethanol", 0)
        return xtb_md._continue(start)


@xtb
@pytest.mark.parametrize("molecule", xtb_md.SMILES)
def test_molecules_are_the_ones_of_md17(molecule):
    atoms = {"aspirin": 21, "benzene": 12, "ethanol": 9, "malonaldehyde": 9, "naphthalene": 18,
             "salicylic": 16, "toluene": 15, "uracil": 12}  # fmt: skip
    assert len(xtb_md.make_conformer(molecule, 0)[0]) == atoms[molecule]


@xtb
def test_forces_are_the_slope_of_the_energy():
    numbers, position = xtb_md.make_conformer("ethanol", 0)
    surface = xtb_md.gfn2(numbers)
    aside = np.random.default_rng(0).normal(size=position.shape)
    energies = [surface(position + h * aside)[0] for h in (-1e-3, 1e-3)]
    slope = (energies[1] - energies[0]) / 2e-3
    assert slope == pytest.approx(-(surface(position)[1] * aside).sum(), rel=5e-3)


@pytest.mark.slow
@xtb
def test_the_energy_does_not_drift(ethanol):
    assert abs(drift(ethanol)) < 0.3  # kcal/mol/ps, of 12 that are kinetic


@xtb
def test_ethanol_is_near_500_kelvin(ethanol):
    assert temperature(ethanol).mean() == pytest.approx(500, rel=0.2)


def momenta(frames):
    """Momentum and angular momentum of the first and the last frame."""
    p = xtb_md._masses(frames["z"]) * frames["V"][[0, -1]]
    return p.sum(1), np.cross(frames["R"][[0, -1]], p).sum(1)


@xtb
def test_the_molecule_turns_but_does_not_drift(ethanol):
    momentum, angular = momenta(ethanol)
    assert abs(momentum).max() < 1e-6
    assert np.linalg.norm(angular[0]) > 0.1
    assert_allclose(angular[0], angular[1], atol=1e-3)

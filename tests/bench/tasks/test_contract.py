"""Contracts of every task file, and the physics of the ones that simulate."""

import inspect
from math import cos, pi, radians, sin

import numpy as np
import pytest
import recordings
import torch
from torch.testing import assert_close

from bench.core import plugins
from remul import E3, POINT, VECTOR, act
from remul.fields import INDICES, UNTYPED
from remul.layouts import layout_of

TASKS = plugins.names("tasks")
SPLITS = ["train", "val", "test", "ood"]
SIZES = {"train": 16, "val": 8, "test": 8, "ood": 8}
SMALL = {**SIZES, "frames": 300, "delta": 10, "largest": 20}
NBODY = plugins.load("tasks", "nbody_gravity")
every_task = pytest.mark.parametrize("name", TASKS)


@pytest.fixture(scope="module", autouse=True)
def made_up(tmp_path_factory):
    """Recorded data are made up, and dynamics are those of springs."""
    folder = tmp_path_factory.mktemp("recordings")
    recordings.write(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SMALL, "source", str(folder))
        patch.setenv("REMUL_DATA", str(folder))
        recordings.quicken(patch)
        yield


def small(name, seed=0):
    """The task in a small size, as far as it lets its sizes be chosen, of data that are here."""
    load = plugins.load("tasks", name).load
    options = SMALL.keys() & inspect.signature(load).parameters.keys()
    return load(seed, **{option: SMALL[option] for option in options})


def splits(task):
    return {"train": task.train, "val": task.val, **task.splits}


@pytest.mark.parametrize("side", ["inputs", "targets"])
@every_task
def test_fields_fit_the_signature(name, side):
    task = small(name)
    types = task.signature.inputs if side == "inputs" else task.signature.outputs
    declared = {field: rep.dim for field, rep in types.items()}
    found = [getattr(batch, side).items() for batch in splits(task).values()]
    assert all(declared == {k: x.shape[-1] for k, x in f if k not in UNTYPED} for f in found)


def test_a_split_whose_first_samples_fly_off_is_drawn_on():
    assert len(NBODY.load(264, train=1, val=1, test=1, ood=1).train) == 1


@every_task
def test_every_sample_has_a_target(name):
    for batch in splits(small(name)).values():
        layout = layout_of(batch.inputs)
        for field, x in batch.targets.items():
            assert len(x) == layout.count(batch.objects.get(field, 1))


@every_task
def test_fields_are_finite_float32(name):
    assert all(
        x.dtype == torch.float32 and x.isfinite().all()
        for batch in splits(small(name)).values()
        for field, x in {**batch.inputs, **batch.targets}.items()
        if field not in INDICES
    )


@every_task
def test_the_scored_splits_include_the_test_split(name):
    task = small(name)
    assert task.splits["test"] is task.test


@every_task
def test_the_distance_of_equal_tensors_is_zero(name):
    task = small(name)
    assert all(task.distance(x, x) == 0 for x in task.test.targets.values())


def content(task):
    return {split: (batch.inputs, batch.targets) for split, batch in splits(task).items()}


@every_task
def test_one_seed_makes_one_data_set(name, tmp_path, monkeypatch):
    made = []
    for folder in ("here", "there"):
        monkeypatch.setenv("REMUL_DATA", str(tmp_path / folder))
        made.append(content(small(name)))
    assert_close(*made, rtol=0, atol=0)


@every_task
def test_what_is_read_back_is_what_was_made(name, tmp_path, monkeypatch):
    monkeypatch.setenv("REMUL_DATA", str(tmp_path))
    assert_close(content(small(name)), content(small(name)), rtol=0, atol=0)


@every_task
def test_seeds_make_different_training_sets(name):
    if "split" in plugins.source(name):
        pytest.skip(f"{name} has a published split for every seed")
    first, second = (small(name, seed).train.targets for seed in (0, 1))
    assert all(not torch.equal(first[field], second[field]) for field in first)


@every_task
def test_splits_share_no_sample(name):
    samples = [batch[i] for batch in splits(small(name)).values() for i in range(len(batch))]
    rows = [
        torch.cat([x.flatten().double() for x in {**one.inputs, **one.targets}.values()])
        for one in samples
    ]
    assert len({tuple(row.tolist()) for row in rows}) == len(rows)


def system(draw, bodies=4, batch=5):
    """Random bodies, far enough apart for the integrator."""
    mass, velocity = draw(batch, bodies, 1).abs(), draw(batch, bodies, 3)
    return {"mass": mass, "position": 10 * draw(batch, bodies, 3), "velocity": velocity}


def moved(g, position, velocity):
    fields = {"position": position, "velocity": velocity}
    return tuple(act(g, fields, {"position": POINT, "velocity": VECTOR}).values())


def test_the_physics_is_equivariant(draw, generator):
    bodies = system(draw)
    g = E3.sample(bodies, generator)
    turned = NBODY.simulate(bodies["mass"], *moved(g, bodies["position"], bodies["velocity"]))
    assert_close(turned, moved(g, *NBODY.simulate(**bodies)), rtol=0, atol=1e-10)


def test_the_physics_does_not_see_the_order_of_the_bodies(draw):
    bodies, order = system(draw), torch.tensor([2, 0, 3, 1])
    shuffled = NBODY.simulate(**{name: x[:, order] for name, x in bodies.items()})
    expected = tuple(x[:, order] for x in NBODY.simulate(**bodies))
    assert_close(shuffled, expected, rtol=0, atol=1e-12)


def plain_loop(mass, position, velocity, steps=100, dt=1e-3):
    """One system by Newton's law, body by body, in symplectic Euler steps."""
    for _ in range(steps):
        force = np.zeros_like(position)
        for i in range(len(mass)):
            for j in range(len(mass)):
                if i != j:
                    apart = position[j] - position[i]
                    force[i] += mass[i] * mass[j] * apart / np.linalg.norm(apart) ** 3
        velocity = velocity + dt * force / mass
        position = position + dt * velocity
    return position, velocity


def test_the_simulator_follows_newton():
    inputs = {name: x[0].double() for name, x in NBODY.load(0, **SIZES).train.inputs.items()}
    expected = plain_loop(*(x.numpy() for x in inputs.values()))
    found = NBODY.simulate(**{name: x[None] for name, x in inputs.items()})
    assert_close(tuple(x[0].numpy() for x in found), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("split", SPLITS)
def test_targets_are_the_simulated_positions(split):
    batch = splits(NBODY.load(0, **SIZES))[split].to(torch.float64)
    final, _ = NBODY.simulate(**batch.inputs)
    assert_close(batch.targets["position"], final, rtol=0, atol=1e-4)  # inputs are float32


def test_momentum_is_conserved(draw):
    bodies = system(draw)
    _, velocity = NBODY.simulate(**bodies)
    momenta = [(bodies["mass"] * v).sum(1) for v in (bodies["velocity"], velocity)]
    assert_close(*momenta, rtol=0, atol=1e-12)


def test_bodies_without_neighbours_fly_straight(draw):
    bodies = system(draw, bodies=1)
    expected = bodies["position"] + 0.1 * bodies["velocity"]
    assert_close(NBODY.simulate(**bodies)[0], expected, rtol=0, atol=1e-12)


def test_coincident_bodies_do_not_pull_each_other():
    still = {"mass": torch.ones(1, 2, 1), "position": torch.ones(1, 2, 3)}
    position, _ = NBODY.simulate(**still, velocity=torch.zeros(1, 2, 3))
    assert torch.equal(position, still["position"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_simulator_keeps_the_dtype(dtype, draw):
    bodies = {name: x.to(dtype) for name, x in system(draw).items()}
    assert {x.dtype for x in NBODY.simulate(**bodies)} == {dtype}


@pytest.fixture(scope="module")
def many():
    """A thousand samples in distribution (the test split) and out of it."""
    return NBODY.load(0, train=1, val=1, test=1000, ood=1000).splits


@pytest.mark.parametrize("split", ["test", "ood"])
def test_no_body_moves_farther_than_two(split, many):
    batch = many[split]
    distance = (batch.targets["position"] - batch.inputs["position"]).norm(dim=-1)
    assert distance.max() < 2 + 1e-5


@pytest.mark.parametrize("split", ["test", "ood"])
def test_the_star_is_the_first_body_no_more_often_than_others(split, many):
    places = many[split].inputs["mass"].argmax(1).flatten().bincount()
    assert (places - 250).abs().max() < 5 * (1000 * 3 / 16) ** 0.5  # five standard deviations


def tilt_cosines(batch):
    """|cos| of the angle between the plane of the bodies and the xy-plane, (batch,)."""
    position = batch.inputs["position"].double()
    axes = torch.linalg.svd(position - position.mean(1, keepdim=True)).Vh
    return axes[:, 2, 2].abs()


@pytest.mark.parametrize("split", ["test", "ood"])
def test_bodies_start_in_a_plane(split, many):
    position = many[split].inputs["position"].double()
    assert torch.linalg.det(position[:, 1:] - position[:, :1]).abs().max() < 1e-6


def test_planes_in_distribution_tilt_by_ten_degrees_at_most(many):
    assert tilt_cosines(many["test"]).min() > cos(radians(10.01))


def test_planes_in_distribution_tilt_as_uniform_angles_about_random_axes(many):
    lost = 1 - tilt_cosines(many["test"])  # (1 - cos angle) sin^2(axis, z)
    expected = 2 / 3 * (1 - sin(radians(10)) / radians(10))
    assert abs(lost.mean() - expected) < 5 * lost.std() / 1000**0.5


def test_planes_out_of_distribution_point_anywhere(many):
    squares = tilt_cosines(many["ood"]).square()
    c, cc = -2 / pi, 1 / 2  # means of cos and cos^2 of an angle uniform in [90, 180] degrees
    expected = cc + 2 / 3 * (c - cc) + 1 / 5 * (1 - 2 * c + cc)
    assert abs(squares.mean() - expected) < 5 * squares.std() / 1000**0.5


def test_planes_are_flat_without_a_turn():
    batch = NBODY.load(0, **SIZES, turn_deg=0.0).train
    assert not batch.inputs["position"][..., 2].any()


def test_turns_out_of_distribution_are_an_option():
    task = NBODY.load(0, **SIZES, ood_deg=[0, 0])
    assert not task.more["ood"].inputs["position"][..., 2].any()


@pytest.mark.parametrize("planets", [1, 2, 5])
def test_the_number_of_planets_is_an_option(planets):
    batch = NBODY.load(0, **SIZES, planets=planets).train
    assert batch.inputs["position"].shape == (16, planets + 1, 3)


@pytest.mark.parametrize("split", SPLITS)
def test_the_sizes_of_the_splits_are_options(split):
    assert len(splits(NBODY.load(0, **SIZES | {split: 3}))[split]) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 0}, "'train': 0"),
        ({"ood": -1}, "'ood': -1"),
        ({"planets": 0}, "planets=0"),
        ({"turn_deg": 181.0}, "180 degrees"),
        ({"turn_deg": -1.0}, "180 degrees"),
        ({"ood_deg": (180.0, 90.0)}, "180 degrees"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        NBODY.load(0, **SIZES | options)


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """The one cache file of a small task, in a folder of its own."""
    monkeypatch.setenv("REMUL_DATA", str(tmp_path))
    NBODY.load(0, **SIZES)
    (file,) = tmp_path.rglob("*.npz")
    return file


def never(**_):
    raise AssertionError("made again")


def test_a_second_load_reads_the_file(stored, monkeypatch):
    monkeypatch.setattr(NBODY, "_make", never)
    assert len(NBODY.load(0, **SIZES).train) == 16


@pytest.mark.parametrize("options", [{"planets": 2}, {"turn_deg": 5.0}, {"seed": 1}, {"val": 9}])
def test_other_options_are_another_file(options, stored):
    NBODY.load(**{"seed": 0, **SIZES, **options})
    assert len([*stored.parent.glob("*.npz")]) == 2


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_a_truncated_file_is_made_again(kept, stored, monkeypatch):
    whole = stored.read_bytes()
    stored.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    NBODY.load(0, **SIZES)
    monkeypatch.setattr(NBODY, "_make", never)
    assert len(NBODY.load(0, **SIZES).train) == 16


def test_a_flipped_byte_is_noticed(stored):
    whole, expected = bytearray(stored.read_bytes()), content(NBODY.load(0, **SIZES))
    whole[len(whole) // 2] ^= 255
    stored.write_bytes(whole)
    assert_close(content(NBODY.load(0, **SIZES)), expected, rtol=0, atol=0)


def test_nothing_is_left_beside_the_file(stored):
    assert [*stored.parent.iterdir()] == [stored]


def test_a_folder_that_cannot_be_made_is_survived(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("in the way")
    monkeypatch.setenv("REMUL_DATA", str(file))
    assert len(NBODY.load(0, **SIZES).train) == 16


def test_a_folder_that_cannot_be_written_is_survived(tmp_path, monkeypatch):
    (tmp_path / "nbody_gravity").write_text("in the way")
    monkeypatch.setenv("REMUL_DATA", str(tmp_path))
    assert len(NBODY.load(0, **SIZES).train) == 16


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("filters", {"support": 0}, "at least 1"),
        ("filters", {"kind": "quarter_turns", "rank": 5}, "no rank, got 5"),
        ("linear_maps", {"kind": "quarter_turns", "n": -1}, "got -1"),
        ("rotsym", {"fold": 13}, "got 13 and 13"),
        ("md_gfn2", {"delta": 0}, "at least 1 frame, got 0"),
        ("md_gfn2_forces", {"dynamics_ps": 0.07}, "multiples of 0.05 ps, got 0.07"),
        ("md_gfn2_forces", {"dynamics_ps": -1.0}, "multiples of 0.05 ps, got -1"),
    ],
)
def test_options_that_no_data_could_have_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        plugins.load("tasks", name).load(0, **options)

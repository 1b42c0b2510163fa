"""Figures of the loss around trained networks."""

from made_records import make

from bench.records.run_record import Surface
from bench.records.run_store import RunStore
from bench.reporting.figures.loss_surface import read_surfaces, surface

AT = [-1.0, 0.0, 1.0]
FLAT = Surface(AT, [0.1] * 3, [[0.1] * 3] * 3)
BOWL = Surface(AT, [0.4, 0.2, 0.4], [[0.8, 0.4, 0.8], [0.4, 0.2, 0.4], [0.8, 0.4, 0.8]])


def test_a_flat_map_is_drawn_beside_others():
    assert surface([("drift", FLAT), ("egnn", BOWL)], "t")


def test_flat_maps_alone_are_no_figure():
    assert surface([("drift", FLAT)], "t") is None


def test_every_row_has_its_map_of_the_lowest_seed(tmp_path):
    rows = [
        {"hparams": {"channels": 8}},
        {"hparams": {"channels": 64}},
        {"hparams": {"channels": 64}, "steps": 100},
        {"hparams": {"channels": 64}, "optimiser": "muon"},
    ]
    records = [make("gnn", seed, 0.1, surface=3, **row) for row in rows for seed in (1, 0)]
    store = RunStore(tmp_path)
    for record in records:
        store.keep(record, surface=FLAT if record.run.seed else BOWL)
    surfaces = read_surfaces(tmp_path, records)
    names = ["gnn(64)", "gnn(64), 100 steps", "gnn(64) + muon", "gnn(8)"]
    assert sorted(surfaces, key=lambda pair: pair[0]) == [(name, BOWL) for name in sorted(names)]

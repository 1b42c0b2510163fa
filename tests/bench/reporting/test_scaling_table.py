"""Growth with the number of objects, of times and bytes made by hand."""

import shutil

import pytest
from msgspec import structs

from bench.records.peer_store import PeerStore
from bench.records.timings import Timing
from bench.reporting.figures.peers import draw_peer_figures
from bench.reporting.scaling_table import forms, make_rows, power
from bench.system.checkout import ROOT

MEASURED = ROOT / "results" / "published" / "amd-epyc-2c-2f40" / "peers" / "schnetpack_painn.json"
SIZES = (100, 300, 1000)


@pytest.fixture
def root(tmp_path):
    """A machine with one peer, whose step is quadratic and memory linear; ours the other way."""
    (tmp_path / "peers").mkdir()
    shutil.copy(MEASURED, tmp_path / "peers")
    store = PeerStore(tmp_path)
    (peer,), _ = store.load()
    first, cells = peer.cells[0], []
    for n in SIZES:
        growth = {"theirs": n**2, "ours": n, "unit": 1}
        times = {name: float(growth[name.split()[0]]) for name in first.timings}
        timings = {name: Timing(median_ms=ms, quality="A") for name, ms in times.items()}
        bytes_ = {"theirs": n, "ours": n**2, "unit": 1}
        cells.append(structs.replace(first, n=n, batch=1, timings=timings, peak_bytes=bytes_))
    store.write(structs.replace(peer, cells=[first, *cells]))
    return tmp_path


def test_a_power_is_that_of_the_size():
    assert power([1, 10, 100], [3.0, 300.0, 30000.0]) == pytest.approx(2.0)


def test_rows_tell_how_time_and_memory_grow(root):
    powers = {row["side"]: (row["ms_power"], row["mb_power"]) for row in make_rows(root)}
    assert powers == {"theirs": pytest.approx((2, 1)), "ours": pytest.approx((1, 2))}


def test_the_table_prints_the_powers(root):
    assert "| 2.00 |" in forms(make_rows(root))["md"]


def test_a_peer_without_graphs_has_no_row(root):
    store = PeerStore(root)
    (peer,), _ = store.load()
    store.write(structs.replace(peer, cells=peer.cells[:3]))
    assert make_rows(root) == []


def test_the_figure_is_drawn_once(root):
    (drawing,) = draw_peer_figures(root)
    before = drawing.file.stat().st_mtime_ns
    draw_peer_figures(root)
    assert drawing.file.stat().st_mtime_ns == before

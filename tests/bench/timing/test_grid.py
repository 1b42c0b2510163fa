"""`speed`: one tiny cell through the command line, from worker to table."""

import weakref
from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure
from msgspec import structs, to_builtins

from bench.cli import main
from bench.core.cases import CASE_KINDS, GRAPHED, UNIT, SpeedCase
from bench.core.config import Plugin
from bench.core.keys import case_key
from bench.records.speed_record import blank_record
from bench.records.speed_store import SpeedStore
from bench.reporting import speed_table
from bench.reporting.figures.speed import draw_speed_figures
from bench.reporting.figures.speed.scaling import _lines
from bench.system import environment, gpu
from bench.timing import grid, modes, sampler
from bench.timing.grid import GridOptions, list_cases, measure_grid, split_sessions
from bench.timing.sampler import Sampler
from bench.timing.samples import summarise

pytestmark = pytest.mark.system
CELL = SpeedCase(UNIT, 2, 2)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The folder of a machine with one timed cell, of the unit itself."""
    folder = tmp_path_factory.mktemp("speed")
    command = ["speed", "--models", UNIT.name, "--nodes", "2", "--batch", "2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid, "SESSION_S", 0.1)
        assert main([*command, "--results", str(folder)]) == 0
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def record(root):
    return SpeedStore(root).find(CELL)


@pytest.mark.parametrize("kind", CASE_KINDS)
def test_each_kind_has_its_timing(record, kind):
    names = {"median_ms", "interval_ms", "samples_ms", "quality", "reason", "ratios", "x_unit",
             "first_call_s", "energy_mj"}  # fmt: skip
    assert names <= to_builtins(record.timings[kind]).keys()


def test_the_unit_is_one(record):
    assert record.timings["train_step"].x_unit == 1.0


def test_energy_is_never_nought(record):
    assert record.timings["train_step"].energy_mj is None


def test_both_tables_are_written(root):
    assert {"speed.md", "speed.csv"} <= {file.name for file in (root / "tables").iterdir()}


def test_a_timed_cell_is_not_timed_again(root, record, capsys):
    assert measure_grid(GridOptions([CELL], SpeedStore(root), "cpu", 0.0, force=False))
    assert "1 cells, 1 timed before" in capsys.readouterr().out


def test_a_torn_record_is_timed_again(tmp_path, record):
    file = SpeedStore(tmp_path).write(record)
    file.write_text(file.read_text()[:100])
    assert SpeedStore(tmp_path).missing([CELL]) == [CELL]


def test_without_time_no_session_starts(tmp_path, capsys):
    assert measure_grid(GridOptions([CELL], SpeedStore(tmp_path), "cpu", 0.0, force=False))
    assert "out of time" in capsys.readouterr().out
    assert SpeedStore(tmp_path).missing([CELL]) == [CELL]


def test_a_cell_that_failed_is_told(tmp_path, record):
    stored(tmp_path, record, "eager", "failed", {"inference": "no"})
    assert not measure_grid(GridOptions([CELL], SpeedStore(tmp_path), "cpu", 0.0, force=False))


def test_cells_of_one_size_and_rung_share_a_session():
    cases = list_cases([UNIT, Plugin("egnn")], [(5, 1), (5, 8)], [("eager", "float32")])
    assert [len(session) for session in split_sessions(cases)] == [2, 2]


def test_the_key_tells_configurations_apart():
    others = (replace(CELL, batch=3), replace(CELL, mode="compile"), replace(CELL, dtype="bf16"))
    assert len({case_key(cell) for cell in (CELL, *others)}) == 4


def stored(root, record, mode, status="done", reasons=None, median_ms=None, **timing):
    cell = replace(record.cell, mode=mode)
    if median_ms:
        own = structs.asdict(summarise(8 * [median_ms]))
        timing |= {name: x for name, x in own.items() if x is not None}
        timing["ratios"] = 8 * [timing["x_unit"]]
    timings = {kind: structs.replace(t, **timing) for kind, t in record.timings.items()}
    timings = timings if status == "done" else {}
    parts = {"cell": cell, "status": status, "reasons": reasons or {}, "timings": timings}
    SpeedStore(root).write(structs.replace(record, **parts))


def test_a_mode_pays_after_so_many_calls(tmp_path, record):
    stored(tmp_path, record, "eager", median_ms=7.0, x_unit=3.0, first_call_s=1.0)
    stored(tmp_path, record, "compile", median_ms=1.0, x_unit=1.0, first_call_s=21.0)
    rows = {row["mode"]: row for row in speed_table.make_rows(SpeedStore(tmp_path).load()[0])}
    assert rows["compile"]["train_step_break_even"] == pytest.approx(10_000)


def test_a_mode_that_fails_is_a_row_with_its_reason(tmp_path, record):
    stored(tmp_path, record, "cuda_graph", "failed", {"inference": "needs a GPU"})
    text = speed_table.forms(tmp_path)["text"]
    assert "not timed: transformer: needs a GPU (2 x 2 cuda_graph, float32)" in text


def test_out_of_memory_is_a_row(tmp_path, record):
    stored(tmp_path, record, "eager", "oom", {"inference": "can't allocate memory"})
    assert "| oom |" in speed_table.forms(tmp_path)["md"]


def test_flops_that_cannot_be_counted_leave_a_gap(tmp_path, record):
    counters = record.counters | {"flops": None, "step_flops": None}
    SpeedStore(tmp_path).write(structs.replace(record, counters=counters))
    (row,) = speed_table.make_rows(SpeedStore(tmp_path).load()[0])
    assert (row["inference_shares"], row["train_step_shares"]) == (None, None)
    assert "| transformer | 2 x 2 |" in speed_table.forms(tmp_path)["md"]


def test_the_share_of_a_ceiling_is_told_in_every_precision(tmp_path, record):
    shares = {}
    for dtype in ("float32", "bf16"):
        SpeedStore(tmp_path).write(structs.replace(record, cell=replace(record.cell, dtype=dtype)))
    for row in speed_table.make_rows(SpeedStore(tmp_path).load()[0]):
        shares[row["dtype"]] = row["train_step_shares"]
    assert shares["float32"] == shares["bf16"]
    assert shares["bf16"]


@pytest.mark.parametrize(("ratios", "cell"), [([1.0, 2.0, 3.0], "| 2 C |"), ([2.0] * 3, "| 2 |")])
def test_ratios_to_a_unit_that_was_disturbed_are_marked(ratios, cell, tmp_path, record):
    timing = structs.replace(record.timings["inference"], ratios=ratios, x_unit=2.0)
    timings = record.timings | {"inference": timing}
    SpeedStore(tmp_path).write(structs.replace(record, timings=timings))
    table = speed_table.forms(tmp_path)["md"]
    assert cell in table
    assert ("- C: disturbed" in table) or "C |" not in table


def test_peers_take_no_options_of_the_grid(tmp_path, capsys):
    assert main(["speed", "--peers", "--modes", "compile", "--results", str(tmp_path)]) == 2
    assert "--peers has models, sizes and modes of its own" in capsys.readouterr().err


def test_each_scale_has_figures_of_its_own(tmp_path, record):
    scales = {"default": 64, "paper": 32, "1000": 8}
    for (scale, channels), nodes in product(scales.items(), (2, 3)):
        cell = blank_record(SpeedCase(Plugin(UNIT.name, {"channels": channels}), nodes, 2))
        parts = {part: getattr(record, part) for part in ("status", "timings", "counters")}
        SpeedStore(tmp_path).write(structs.replace(cell, **parts, scale=scale))
    names = {drawing.file.name for drawing in draw_speed_figures(tmp_path)}
    assert {f"speed-{scale}-nodes.png" for scale in scales} <= names


@pytest.mark.parametrize(("nodes", "drawn"), [((2, 3), True), ((2,), False)])
def test_a_mode_that_was_timed_at_several_sizes_has_figures_too(nodes, drawn, tmp_path, record):
    for mode, n in product(("cuda_graph",), nodes):
        cell = blank_record(SpeedCase(UNIT, n, 2, mode))
        parts = {part: getattr(record, part) for part in ("status", "timings", "counters")}
        SpeedStore(tmp_path).write(structs.replace(cell, **parts, scale="paper"))
    names = {drawing.file.name for drawing in draw_speed_figures(tmp_path)}
    assert ("speed-paper-cuda_graph-nodes.png" in names) == drawn


def test_a_disturbed_time_is_hollow(record):
    row = {"model": "egnn", "equivariant": True, "nodes": 2, "inference_ms": 1.0, "colour": "red"}
    ax = Figure().subplots()
    rows = [row | {"inference_quality": mark} for mark in "AC"]
    _lines(ax, rows, "nodes", "inference_ms", lambda row, ms: ms)
    faces = ax.collections[0].get_facecolors()
    assert faces[1].tolist() == [0, 0, 0, 0] != faces[0].tolist()


@pytest.fixture
def own_sampler(monkeypatch):
    """A sampler that leaves this process its cores and its memory."""
    monkeypatch.setattr(environment, "pin", lambda: None)
    monkeypatch.setattr(environment, "spare_memory", lambda _: None)
    return Sampler()


def test_caches_are_warmed_by_calls_that_have_ended(own_sampler, monkeypatch):
    ended = []

    def clock(function, calls):
        ended.extend(function() for _ in range(calls))
        return 1e-3

    own_sampler.device, own_sampler.functions = "cuda", {"step": lambda: "step"}
    own_sampler.sample_s = {"step": 1e-3}
    monkeypatch.setattr(sampler, "clock_of", {"cuda": clock}.get)
    own_sampler._warm_caches("step")
    assert ended


def test_what_a_model_refuses_is_not_tried_again(own_sampler, tmp_path):
    cell = SpeedCase(Plugin("mlp", {"objects": 1}), 2, 2)
    found = own_sampler.prepare(cell.targets(["inference"]), "cpu")
    assert found.status == "refused"
    SpeedStore(tmp_path).write(structs.replace(blank_record(cell), status=found.status))
    assert SpeedStore(tmp_path).missing([cell]) == []


BREAKING = {MemoryError(): "oom", RuntimeError("a bug"): "failed", ValueError("no"): "done"}


@pytest.mark.parametrize(("error", "status"), BREAKING.items(), ids=BREAKING.values())
def test_what_one_kind_lacks_is_told(error, status, own_sampler, monkeypatch):
    def build_closure(target, _):
        if target.run.method.name == "remul":
            raise error
        return float

    monkeypatch.setattr(sampler, "build_closure", build_closure)
    monkeypatch.setattr(sampler, "warm_up", lambda *_: 1)
    kinds = ["inference", "remul_step", "train_step"]
    found = own_sampler.prepare(CELL.targets(kinds), "cpu")
    assert (found.status, list(found.reasons)) == (status, ["remul_step"])


def test_memory_that_is_out_stays_so_whatever_is_refused_next(own_sampler, monkeypatch):
    def build_closure(target, _):
        raise ValueError("no") if target.training else MemoryError()

    monkeypatch.setattr(sampler, "build_closure", build_closure)
    assert own_sampler.prepare(CELL.targets(["inference", "train_step"]), "cpu").status == "oom"


def test_the_first_call_makes_the_graph_and_keeps_what_it_uses(monkeypatch):
    made = []

    def capture_graph(function):
        made.append(function)
        return SimpleNamespace(replay=lambda: "replayed")

    monkeypatch.setattr(modes, "capture_graph", capture_graph)
    inputs = Inputs()
    there = weakref.ref(inputs)
    replay = modes.capture("cuda_graph", inputs.use, "cuda")
    assert made == []
    assert [replay(), replay()] == ["replayed"] * 2
    assert len(made) == 1
    made.clear()
    del inputs
    assert there()


class Inputs:
    """What a graph reads, as tensors would be."""

    def use(self):
        pass


class NotSupportedError(Exception):
    """What NVML raises."""


def nvml(**functions):
    """NVML with some functions; a GPU that has no others."""

    def absent(*_):
        raise NotSupportedError

    names = ("ClockInfo", "CurrentClocksThrottleReasons", "TotalEnergyConsumption")
    found = {f"nvmlDeviceGet{name}": functions.get(name, absent) for name in names}
    return SimpleNamespace(**found, NVMLError=NotSupportedError, NVML_CLOCK_SM=1)


def test_what_a_gpu_tells_is_taken(monkeypatch):
    told = nvml(ClockInfo=lambda *_: 1980, CurrentClocksThrottleReasons=lambda _: 0x84)
    monkeypatch.setattr(gpu, "_handle", lambda: (told, None))
    assert (gpu.clock_mhz(), gpu.throttle_reasons()) == (1980, "power brake")


def test_what_a_gpu_does_not_tell_is_not_made_up(monkeypatch):
    monkeypatch.setattr(gpu, "_handle", lambda: (nvml(), None))
    assert (gpu.clock_mhz(), gpu.throttle_reasons(), gpu.energy_mj(float)) == (None, "", None)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # the compiler's own
@pytest.mark.parametrize("mode", GRAPHED)
def test_a_step_that_cannot_be_a_cuda_graph_is_refused(mode):
    with pytest.raises(ValueError, match="no CUDA graph of its steps: it needs a GPU"):
        sampler.build_closure(
            replace(CELL, mode=mode).targets(["remul_step"])["remul_step"], "cpu"
        )()

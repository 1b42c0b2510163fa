"""Figures in files: drawn once, drawn again when rows or code have changed, the same bytes."""

import shutil
from math import inf

import pandas as pd
import pytest
from matplotlib.figure import Figure

from bench.cli import main
from bench.reporting.figures import drawing
from bench.reporting.figures.drawing import CANVASES, Job, Plot, draw_files
from bench.system.checkout import ROOT

MACHINES = sorted(path.parent for path in ROOT.glob("results/published/*/runs"))
ROWS = {"curve": pd.DataFrame({"x": [0.0, 1.0], "y": [2.0, float("nan")]})}


def draw_line(rows, title):
    figure = Figure(figsize=(2, 2), layout="constrained")
    figure.subplots().plot(rows["curve"]["x"], rows["curve"]["y"])
    figure.suptitle(title)
    return figure


LINE = Plot("line", draw_line, "A line.")
NOTHING = Plot("nothing", lambda rows, title: None, "Nothing.")


def draw(folder, rows=ROWS, title="t", form="png", plot=LINE):
    job = Job(plot, rows, title, folder / "figures" / "x")
    return next(iter(draw_files([job], form)), None)


@pytest.fixture
def file(tmp_path):
    return draw(tmp_path).file


@pytest.fixture
def saved(monkeypatch):
    """The files that are written from now on."""
    files, save = [], drawing.save

    def note(figure, file, digest):
        files.append(file)
        save(figure, file, digest)

    monkeypatch.setattr(drawing, "save", note)
    monkeypatch.setattr(drawing, "MANY", inf)  # what other processes write is not noted here
    return files


@pytest.mark.parametrize("form", CANVASES)
def test_what_has_not_changed_is_not_drawn_again(tmp_path, saved, form):
    file = draw(tmp_path, form=form).file
    assert draw(tmp_path, form=form).file == file
    assert saved == [file]


@pytest.mark.parametrize("change", [{"rows": {"curve": ROWS["curve"] + 1}}, {"title": "u"}])
def test_what_has_changed_is_drawn_again(tmp_path, file, saved, change):
    before = file.read_bytes()
    assert draw(tmp_path, **change).file == file
    assert saved == [file]
    assert file.read_bytes() != before


def test_new_code_draws_again(tmp_path, file, saved, monkeypatch):
    code = tmp_path / "style.py"
    code.write_text("other")
    monkeypatch.setattr(drawing.style, "__file__", str(code))
    draw(tmp_path)
    assert saved == [file]


@pytest.mark.parametrize("damage", [b"", b"no figure"])
def test_a_file_that_is_no_figure_is_drawn_again(tmp_path, file, damage):
    before = file.read_bytes()
    file.write_bytes(damage)
    assert draw(tmp_path).file.read_bytes() == before


@pytest.mark.parametrize("form", CANVASES)
def test_the_same_rows_give_the_same_bytes(tmp_path, form):
    first, second = (draw(tmp_path / name, form=form).file.read_bytes() for name in "ab")
    assert first == second


def test_many_figures_are_drawn_side_by_side_as_one_is(tmp_path, file, monkeypatch):
    monkeypatch.setattr(drawing, "MANY", 2)
    jobs = [Job(LINE, ROWS, "t", tmp_path / "many" / name) for name in "ab"]
    files = [one.file.read_bytes() for one in draw_files(jobs, "png")]
    assert files == [file.read_bytes()] * 2


def test_a_figure_that_shows_nothing_any_more_is_gone(tmp_path, file):
    file = file.rename(file.with_name("x-nothing.png"))
    assert draw(tmp_path, plot=NOTHING) is None
    assert not file.exists()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two runs of each of two tasks, and a timed cell."""
    folder = tmp_path_factory.mktemp("results")
    (machine,) = (machine for machine in MACHINES if (machine / "runs" / "mocap").is_dir())
    runs = [
        machine.glob(f"runs/{task}/transformer-plain-*-s0.*")
        for task in ("mocap", "md_gfn2_forces")
    ]
    for file in (
        *[file for files in runs for file in files],
        *machine.glob("speed/se3_transformer-5x*"),
    ):
        target = folder / file.relative_to(machine.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return folder


def test_plot_of_one_task_leaves_the_others_and_speed(results, capsys):
    assert main(["plot", "--task", "mocap", "--results", str(results)]) == 0
    files = capsys.readouterr().out.splitlines()
    assert files
    assert all("/mocap-" in file for file in files)
    assert len(files) == len(list(results.glob("*/figures/*")))


def test_plot_in_another_format_is_on_demand(results, capsys):
    assert main(["plot", "--task", "mocap", "--format", "svg", "--results", str(results)]) == 0
    files = capsys.readouterr().out.splitlines()
    assert {file.rpartition(".")[2] for file in files} == {"svg"}


def test_plot_of_a_task_without_records_names_those_with(results, capsys):
    assert main(["plot", "--task", "md17", "--results", str(results)]) == 2
    assert "there are md_gfn2_forces, mocap" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES, ids=lambda path: path.name)
def test_committed_figures_follow_from_committed_records(machine, tmp_path, saved):
    copy = tmp_path / machine.name
    copy.mkdir()
    for folder in ("runs", "speed"):
        (copy / folder).symlink_to(machine / folder)
    shutil.copytree(machine / "figures", copy / "figures")
    assert main(["plot", "--results", str(tmp_path)]) == 0
    assert saved == []


def test_a_long_title_stays_inside_the_figure(tmp_path, monkeypatch):
    ends = []

    def measure(figure, file, digest):
        figure.draw_without_rendering()
        title = next(text for text in figure.texts if text.get_text())
        ends.append((title.get_window_extent(), figure.bbox))

    monkeypatch.setattr(drawing, "save", measure)
    draw(tmp_path, title="nbody_charged(before=0, field=0, test=1000, train=1000, val=500)")
    ((title, whole),) = ends
    assert whole.x0 <= title.x0 <= title.x1 <= whole.x1

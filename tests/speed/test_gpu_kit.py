"""The kit for a GPU, as far as a machine without one can hold it."""

from argparse import ArgumentParser

import pytest

from bench.commands import run, speed
from bench.core import plugins
from bench.core.sizes import options_for_size
from bench.tasks.bodies import SIGNATURE
from tests.speed import gpu_kit
from tests.speed.gpu_kit import Part

SWEEP = plugins.load("sweeps", "nbody_large")
COMMANDS = {"run": run, "speed": speed}


def test_all_parts_end_within_25_minutes(tmp_path):
    parts = gpu_kit.list_parts(tmp_path).values()
    assert sum(part.limit_s + gpu_kit.PATIENCE_S for part in parts) < 25 * 60


@pytest.mark.parametrize("name", ["grid", "paper", "matched", "runs"])
def test_each_command_is_one(name, tmp_path):
    _, command, *words = gpu_kit.list_parts(tmp_path)[name].words
    parser = ArgumentParser()
    COMMANDS[command].arguments(parser)
    options = parser.parse_args(words)
    assert options.device == "cuda"
    if command == "run":
        assert plugins.load("sweeps", options.sweep)


@pytest.mark.parametrize("plugin", SWEEP.EXACT, ids=str)
def test_what_is_trained_has_the_size_that_is_timed(plugin):
    assert plugin.kwargs == options_for_size(plugin.name, "paper", SIGNATURE)
    assert plugin.name in gpu_kit.MODELS


def test_a_part_that_lasts_is_ended(tmp_path):
    endless = Part(("timeit", "-s", "import threading", "threading.Event().wait()"), 0.5)
    assert gpu_kit.do(endless, tmp_path / "log.txt")["code"] != 0


def test_what_is_missing_or_too_large_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_kit, "LARGEST", 1000)
    (store := tmp_path / "store").mkdir()
    (out := tmp_path / "out").mkdir()
    (out / "log.txt").write_bytes(bytes(1000))
    (out / "tests.xml").write_text("<testsuites/>")
    missing = gpu_kit.collect(store, out)
    assert missing == ["log.txt", "runs.md", "speed.md", "figure3-paper.png", "figure3-matched.png"]

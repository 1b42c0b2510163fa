"""Damaged stores: every command that reads them names the damage or shows it."""

import json
import os
import shutil
from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import changed_json, get

from bench.cli import main
from bench.system.checkout import ROOT

pytestmark = pytest.mark.system
PUBLISHED = ROOT / "results" / "published"
EXAMPLES = {"run": (30, 1200), "speed": (30, 2200), "peer": (10, 400), "compare": (20, 1600)}
EXAMPLES |= {"noise": (10, 300), "surface": (2, 60), "page": (2, 160)}
SHOWN = {  # numbers that a table shows of the first seed
    "run": [("scores", "mse_test"), ("scores", "expected_error_test"), ("counters", "parameters"),
            ("counters", "flops"), ("timings", "inference", "median_ms"), ("run", "steps")],
    "speed": [("counters", "flops"), ("timings", "inference", "median_ms"),
              ("timings", "train_step", "x_unit"), ("cell", "nodes")],
    "peer": [("cells", 0, "parameters", "ours"),
             ("cells", 0, "timings", "ours inference", "median_ms")],
}  # fmt: skip


def copy(machine, pattern, root, count):
    """The first files of a kind that are committed, in a store of their own; returns them."""
    found = sorted((PUBLISHED / machine).glob(pattern))[:count]
    assert found
    for file in found:
        target = root / file.relative_to(PUBLISHED / machine)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return [root / file.relative_to(PUBLISHED / machine) for file in found]


@pytest.fixture
def store(tmp_path):
    """Makes a store with a few records of a kind, and returns it with the one that is damaged."""
    root, machine = tmp_path / "machine", "amd-epyc-2c-2f40"

    def make(kind):
        if kind == "run":
            copy(machine, "runs/nbody_gravity/gnn-augment-*-s0.*", root, 2)
            files = copy(machine, "runs/nbody_gravity/egnn-plain-*-s[01].*", root, 4)[1:]
        elif kind == "surface":
            files = copy(machine, "runs/*/*.surface.json", root, 1)
            copy(machine, str(files[0].relative_to(root)).replace(".surface", ""), root, 1)
        elif kind == "speed":
            copy(machine, "speed/transformer-5x1-*.json", root, 1)
            files = copy(machine, "speed/egnn-5x1-*.json", root, 1)
        else:
            files = copy(machine, "peers/*.json", root, 1)
        return tmp_path, files[0]

    return make


def tables(results):
    return {file.name: file.read_text() for file in results.glob("machine/tables/*.csv")}


def examples(kind, long):
    return settings(max_examples=EXAMPLES[kind][long])


@pytest.mark.parametrize("kind", ["run", "speed", "peer"])
def test_a_damaged_record_is_named_or_shown(kind, store, tally, long):
    results, file = store(kind)
    tally.run(kind, "table", "--results", results)
    whole, plain = tables(results), json.loads(file.read_bytes())

    @examples(kind, long)
    @given(damage=changed_json(plain), form=st.sampled_from(["text", "md", "csv", "latex"]))
    def damaged(damage, form):
        damage.write(file)
        code, shown, said = tally.run(kind, "table", "--results", results, "--format", form)
        assert code == 0
        assert not {*shown} & {*map(chr, range(9)), "\x1b", "\x7f", "\r", "\u202e"}
        place, value = damage.place, damage.value
        if place in SHOWN[kind] and differs(get(plain, place), value):
            named = file.name in shown + said or "no records" in said
            if not named and tables(results) == whole:
                tally.blame(kind, "silent", f"{place} became {value} without a word")

    damaged()


def differs(old, new):
    if isinstance(new, bool) or not isinstance(new, int | float):
        return new is not None
    return abs(new) > 1e300 or not isclose(old, new, rel_tol=1e-3)


@pytest.mark.parametrize("kind", ["run", "speed", "surface"])
def test_a_page_of_a_damaged_store_is_made(kind, store, tally, long):
    results, file = store(kind)
    assert main(["report", "--results", str(results)]) == 0  # the first figure takes long to draw

    @examples("surface" if kind == "surface" else "page", long)
    @given(damage=changed_json(json.loads(file.read_bytes())))
    def damaged(damage):
        damage.write(file)
        assert tally.run("page", "report", "--results", results)[0] == 0
        page = (results / "machine" / "report.html").read_text()
        assert page.count("<script") == 1  # the page's own

    damaged()


@pytest.mark.parametrize("stored", ["folder", "file"])
def test_a_damaged_side_of_a_comparison_is_named_or_judged(stored, store, tally, long):
    results, record = store("speed")
    shutil.copytree(results / "machine", results / "base")
    file = record if stored == "folder" else results / "reference.json"
    plain = json.loads(record.read_text())
    if stored == "file":
        plain = {"cells": [plain]}
    sides = [results / "base", results / "machine" if stored == "folder" else file]

    @examples("compare", long)
    @given(damage=changed_json(plain), reverse=st.booleans())
    def damaged(damage, reverse):
        damage.write(file)
        ordered = sides[::-1] if reverse else sides
        code, shown, said = tally.run("compare", "compare", *ordered, "--results", results / "none")
        place, value = damage.place, damage.value
        if place[-2:] == ("counters", "flops") and isinstance(value, int) and code == 0:
            old = get(plain, place)
            silent = isinstance(value, bool) or (value > old) != reverse
            if silent and value != old and "improved" not in shown and file.name not in said:
                tally.blame("compare", "silent", f"flops became {value} without a word: {shown}")

    damaged()


def test_a_damaged_noise_floor_is_named_or_shown(store, tally, long):
    results, _ = store("speed")
    file = results / "machine" / "noise.json"
    plain = {"floor": 0.01, "rounds": 30, "half_width": 0.1, "ratios": [1.0], "date": "2026-11-25"}

    @examples("noise", long)
    @given(damage=changed_json(plain))
    def damaged(damage):
        damage.write(file)
        code, shown, _ = tally.run("noise", "compare", *[results / "machine"] * 2)
        if damage.place == ("floor",) and damage.value is not None and code != 2:
            assert f"noise floor {damage.value:.1%}" in shown

    damaged()


@pytest.mark.parametrize(
    "how", ["copy", "folder", "pipe", "zero", "torn", "gone", "link", "closed"]
)
def test_an_odd_thing_among_records_is_named(how, store, tally):
    results, file = store("run")
    odd = file.with_name("egnn-plain-00000000-s0.json")
    tally.run("place", "table", "--results", results)
    whole = tables(results)
    {
        "copy": lambda: shutil.copy(file, odd),
        "folder": odd.mkdir,
        "pipe": lambda: os.mkfifo(odd),
        "zero": lambda: odd.symlink_to("/dev/zero"),
        "torn": lambda: odd.write_text("{"),
        "gone": lambda: odd.symlink_to("/nowhere"),
        "link": lambda: odd.symlink_to(odd.name),
        "closed": lambda: odd.write_bytes(b"\x1b]0;x\x07"),
    }[how]()
    code, _, said = tally.run("place", "table", "--results", results)
    assert code == 0
    assert odd.name in said
    assert tables(results) == whole

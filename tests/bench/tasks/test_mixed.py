"""Molecules side by side are the molecules alone."""

import pytest
import recordings
import torch
from torch.testing import assert_close

from bench.tasks import md_gfn2_forces, md_gfn2_mixed

SIZES = {"frames": 300, "train": 6, "val": 2, "test": 4}
MOLECULES = ("ethanol", "benzene")


@pytest.fixture(autouse=True)
def springs(tmp_path, monkeypatch):
    monkeypatch.setenv("REMUL_DATA", str(tmp_path))
    recordings.quicken(monkeypatch)


def test_molecules_are_as_alone():
    mixed = md_gfn2_mixed.load(0, MOLECULES, **SIZES)
    for index, name in enumerate(MOLECULES):
        alone = md_gfn2_forces.load(0, name, **SIZES)
        for split, count in {"train": 6, "val": 2, "test": 4}.items():
            own = getattr(mixed, split)[index * count : (index + 1) * count]
            wanted = getattr(alone, split)
            assert_close(own.targets["energy"], wanted.targets["energy"])
            assert_close(own.targets["force"], wanted.targets["force"].flatten(0, 1))
            assert_close(own.inputs["position"], wanted.inputs["position"].flatten(0, 1))


def test_what_turns_change_is_scored_of_both():
    task = md_gfn2_mixed.load(0, MOLECULES, **SIZES)

    def exact(inputs):
        counts = inputs["batch"].bincount()
        return {"energy": counts[:, None].float(), "force": torch.zeros_like(inputs["position"])}

    found = {name: measure(exact) for name, measure in task.scores.items()}
    assert found["energy_by_turn"] == found["force_by_turn_max"] == 0
    assert found["force_mae"] == pytest.approx(float(task.test.targets["force"].abs().mean()))


def test_no_molecule_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        md_gfn2_mixed.load(0, ())

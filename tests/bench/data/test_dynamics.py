"""Dynamics at constant energy: forces that belong to the energy keep it, others do not."""

import pytest
import recordings
import torch

from bench.data.dynamics import energy_drift
from bench.tasks import md_gfn2_forces
from bench.training.scores import profiles

STIFFNESS = 500.0  # kcal/mol/Å², about that of a bond


@pytest.fixture
def frames(draw):
    return {"position": 0.3 * draw(3, 4, 3).float(), "element": torch.eye(4).expand(3, 4, 4)}


def springs(share):
    """Return a model of springs to the origin whose forces are a share of the slope's."""

    def model(inputs):
        x = inputs["position"]
        energy = STIFFNESS / 2 * x.square().sum((1, 2)).unsqueeze(-1)
        return {"energy": energy, "force": -share * STIFFNESS * x}

    return model


def test_forces_that_are_a_gradient_keep_the_energy(frames):
    drift = energy_drift(springs(1.0), frames, 0.5)["energy_drift"]
    scale = STIFFNESS / 2 * float(frames["position"].square().sum((1, 2)).mean()) / 4
    assert len(drift) == 101
    assert max(drift) < 0.05 * scale
    assert max(drift[50:]) < 1.1 * max(drift[:50])


def test_forces_of_another_energy_lose_it(frames):
    kept, lost = (energy_drift(springs(share), frames, 0.5)["energy_drift"] for share in (1, 0.5))
    assert max(lost) > 5 * max(kept)


def test_a_curve_has_its_times(frames):
    assert energy_drift(springs(1.0), frames, 0.1)["picoseconds"][-1] == pytest.approx(0.1)


def test_a_curve_ends_where_the_molecule_flies_apart(frames):
    curve = energy_drift(springs(-1e4), frames, 0.5)
    assert 0 < len(curve["picoseconds"]) == len(curve["energy_drift"]) < 101


def test_a_task_profiles_the_dynamics_it_is_asked_for(tmp_path, monkeypatch, generator):
    monkeypatch.setenv("REMUL_DATA", str(tmp_path))
    recordings.quicken(monkeypatch)
    sizes = {"frames": 300, "train": 6, "val": 2, "test": 4}
    task = md_gfn2_forces.load(0, "ethanol", **sizes, dynamics_ps=0.05)

    class Rest(torch.nn.Module):
        def forward(self, inputs):
            x = inputs["position"]
            return {"energy": 0 * x[:, 0, :1], "force": 0 * x}

    assert not any(profiles(task, Rest(), None, generator)["own"]["energy_drift"])

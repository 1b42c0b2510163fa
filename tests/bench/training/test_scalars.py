"""Curves and scores for TensorBoard."""

import pytest
from msgspec.structs import replace

from bench.core.config import Plugin, Run
from bench.records.run_record import blank_record
from bench.records.run_store import RunStore
from bench.training import scalars

pytestmark = pytest.mark.slow


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_run_leaves_its_curve_and_scores_as_events(tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="no TensorBoard"
    )
    run = Run(Plugin("nbody_gravity"), Plugin("gnn"), Plugin("remul"), steps=20)
    record = replace(blank_record(run), scores={"mse_test": 0.5})
    store = RunStore(tmp_path / "machine")
    store.keep(record, "step,beta,fit\n1,1,0.5\n20,1,0.25\n")
    scalars.write_scalars(tmp_path / "logs", record, store)
    (folder,) = (tmp_path / "logs").iterdir()
    events = accumulator.EventAccumulator(str(folder)).Reload()
    assert sorted(events.Tags()["scalars"]) == ["scores/mse_test", "training/beta", "training/fit"]
    assert [(one.step, one.value) for one in events.Scalars("training/fit")] == [
        (1, 0.5),
        (20, 0.25),
    ]


def test_without_tensorboard_the_option_says_what_to_install(monkeypatch):
    monkeypatch.setattr(scalars, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install tensorboard"):
        scalars.check_installed()

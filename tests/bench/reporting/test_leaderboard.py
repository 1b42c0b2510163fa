"""The leaderboard: tasks with something to rank, over the records of all machines."""

import pytest
from made_records import TASK, make
from msgspec.structs import replace

from bench.core.config import Plugin
from bench.records.run_store import RunStore
from bench.reporting.leaderboard import write_page

TRIVIAL = make("drift", 0, 1.0, task=Plugin("nbody_charged"))
FAILED = replace(TRIVIAL, status="failed", reason="x", scores={}, timings={})


@pytest.mark.parametrize("record", [TRIVIAL, FAILED])
def test_a_task_without_a_row_to_rank_has_no_table(record, tmp_path):
    for own in (record, make("egnn", 0, 1.0)):
        RunStore(tmp_path / "one-0000").write(own)
    page = write_page(tmp_path)
    assert f"**{TASK.label}**" in page.replace("\\", "")
    assert "nbody_charged" not in page


def test_an_old_version_is_not_ranked(tmp_path):
    for own in (make("egnn", 0, 1.0), replace(make("gnn", 0, 0.5), key="f" * 8)):
        RunStore(tmp_path / "one-0000").write(own)
    assert "gnn with" not in write_page(tmp_path)

"""Temporary folders that go with their process."""

import os

from bench.system import scratch


def test_a_folder_that_is_swept_before_it_is_open_is_made_again(monkeypatch, tmp_path):
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    opened, swept = os.open, []

    def open_late(folder, *rest, **more):
        if not swept:
            swept.append(folder)
            os.rmdir(folder)
        return opened(folder, *rest, **more)

    monkeypatch.setattr(scratch.os, "open", open_late)
    with scratch.scratch_folder() as folder:
        assert folder.is_dir()
        assert [folder] != swept
    assert list(tmp_path.iterdir()) == []

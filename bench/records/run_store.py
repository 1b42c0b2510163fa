"""Runs: a record each, and beside it what else a run leaves, by the ends of the files' names."""

from collections.abc import Iterable
from pathlib import Path

from bench.core.config import Run, canonical, without_folders
from bench.core.keys import run_name
from bench.records import files, run_record
from bench.records.run_record import RunRecord, Surface
from bench.records.store import Store

CURVE, SURFACE = ".curve.csv", ".surface.json"
WEIGHTS, PREDICTIONS = ".weights.safetensors", ".predictions.npz"
CHECKPOINT = ".checkpoint.safetensors"  # of a run that has not come to its end
KEPT = (CURVE, SURFACE, WEIGHTS, PREDICTIONS)


class RunStore(Store[Run, RunRecord]):
    """The runs of a machine: runs/<task>/<model>-<method>-<key>-s<seed>.json."""

    pattern = "runs/*/*.json"
    parse = staticmethod(run_record.parse)

    def path(self, run: Run, key: str | None = None) -> Path:
        """Return where the record of a run lives, with the key of today unless one is given."""
        return self.root / "runs" / run.task.stem / f"{run_name(run, key)}.json"

    def path_of(self, record: RunRecord) -> Path:
        """Return where a record lives, with the key that it has."""
        return self.path(record.run, record.key)

    def is_finished(self, record: RunRecord) -> bool:
        """Return whether the run came to its end."""
        return record.status == "done"

    def files(self) -> list[Path]:
        """Return the files of all records, in order of name."""
        return [file for file in super().files() if not file.name.endswith(SURFACE)]

    def find(self, run: Run) -> RunRecord | None:
        """Return the record of a run, None if there is none that can be read, or another's."""
        record, wanted = super().find(run), canonical(without_folders(run))
        return record if record and canonical(without_folders(record.run)) == wanted else None

    def keep(self, record: RunRecord, curve: str = "", surface: Surface | None = None) -> bool:
        """Write what a run came to, and what lies beside it, unless that loses what had finished.

        Returns whether it was written: a failure does not replace a finished record.
        """
        if not self.is_finished(record) and self.finished(record.run):
            return False
        if curve:
            files.write_whole(self.curve_path(record.run, record.key), curve)
        if surface:
            files.write_whole(self.surface_path(record.run, record.key), files.as_text(surface))
        self.write(record)
        return True

    def curve_path(self, run: Run, key: str | None = None) -> Path:
        """Return where the curve of a run's training lives, with the key as in `path`."""
        return self.path(run, key).with_suffix(CURVE)

    def surface_path(self, run: Run, key: str | None = None) -> Path:
        """Return where the loss surface of a run lives, with the key as in `path`."""
        return self.path(run, key).with_suffix(SURFACE)

    def read_surface(self, run: Run, key: str | None = None) -> Surface:
        """Return the loss surface of a run that asked for one; `ValueError` as `read` raises."""
        return files.read_record(self.surface_path(run, key), run_record.parse_surface)

    def set_aside_damaged(self, runs: Iterable[Run]) -> None:
        """Move every file out of the way that stands for one of the runs and is no record."""
        for file in filter(Path.exists, map(self.path, runs)):
            try:
                self.read(file)
            except ValueError as error:
                print(f"{error}; set aside as {files.set_aside(file).name}, to be run again")

"""Runs: a record each, and beside it what else a run leaves, by the ends of the files' names."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.core.config import Run, canonical, without_folders
from bench.core.keys import run_name
from bench.records import files, run_record
from bench.records.run_record import RunRecord, Surface
from bench.records.store import Store

CURVE, SURFACE = ".curve.csv", ".surface.json"
WEIGHTS, PREDICTIONS = ".weights.safetensors", ".predictions.npz"
CHECKPOINT = ".checkpoint.safetensors"  # of a run that has not come to its end
EVIDENCE = (CURVE, SURFACE)  # small enough to be published
ARTIFACTS = {"weights": WEIGHTS, "predictions": PREDICTIONS}  # kept where they are asked for
KEPT = (*EVIDENCE, *ARTIFACTS.values())


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

    def keep(
        self,
        record: RunRecord,
        curve: str = "",
        surface: Surface | None = None,
        artifacts: Mapping[str, bytes] | None = None,
    ) -> bool:
        """Write what a run came to, and what lies beside it, unless that loses what had finished.

        What an earlier training of the run has left there goes. Returns whether it was written: a
        failure does not replace a finished record.
        """
        if not self.is_finished(record) and self.finished(record.run):
            return False
        contents = {CURVE: curve, SURFACE: surface and files.as_text(surface), **(artifacts or {})}
        for end in KEPT:
            file = self.path_of(record).with_suffix(end)
            if contents.get(end):
                files.write_whole(file, contents[end])
            else:
                file.unlink(missing_ok=True)
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

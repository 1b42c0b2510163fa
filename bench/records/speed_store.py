"""Cases of the speed grid: a model at one size, mode and precision; each a file of its own."""

from pathlib import Path

from bench.core.cases import SpeedCase
from bench.core.keys import case_name
from bench.records import speed_record
from bench.records.speed_record import SpeedRecord
from bench.records.store import Store


class SpeedStore(Store[SpeedCase, SpeedRecord]):
    """The cases of a machine: speed/<model>-<nodes>x<batch>-<mode>-<dtype>-<key>.json."""

    pattern = "speed/*.json"
    parse = staticmethod(speed_record.parse)

    def path(self, case: SpeedCase, key: str | None = None) -> Path:
        """Return where the record of a case lives, with the key of today unless one is given."""
        return self.root / "speed" / f"{case_name(case, key)}.json"

    def path_of(self, record: SpeedRecord) -> Path:
        """Return where a record lives, with the key that it has."""
        return self.path(record.cell, record.key)

    def is_finished(self, record: SpeedRecord) -> bool:
        """Return whether the case has an outcome: to lack memory, or be refused, is one."""
        return record.status in ("done", "oom", "refused")

    def load(self) -> tuple[list[SpeedRecord], list[str]]:
        """Return all records that can be read, and a line for each file that cannot.

        Of a case that was timed under several versions of its plug-ins, the newest.
        """
        records, problems = super().load()
        newest: dict[str, SpeedRecord] = {}
        for record in records:
            before = newest.setdefault(str(record.cell), record)
            newest[str(record.cell)] = max(before, record, key=lambda record: record.session or "")
        return list(newest.values()), problems

    def has_failed(self, case: SpeedCase) -> bool:
        """Return whether the case was tried and broke."""
        record = self.find(case)
        return record is not None and record.status == "failed"

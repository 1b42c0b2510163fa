"""The records of one kind under a machine's folder: a file each, named after what it is of."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Generic, TypeVar

from bench.records import files
from bench.records.files import State

Config = TypeVar("Config")
Record = TypeVar("Record")


class Store(ABC, Generic[Config, Record]):
    """Reads and writes records by their configuration; a finished one is the cache."""

    pattern: str  # of the files, from the machine's folder on
    parse: Callable[[Any], Record]  # raises `ValueError` for JSON that is no record
    sort_keys = False

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[Path, tuple[tuple[int, ...], Record]] = {}

    @abstractmethod
    def path(self, config: Config, /) -> Path:
        """Return where the record of a configuration lives, with the code of today."""

    @abstractmethod
    def path_of(self, record: Record) -> Path:
        """Return where a record lives, of whatever code it is."""

    @abstractmethod
    def is_finished(self, record: Record) -> bool:
        """Return whether there is nothing to do again."""

    def files(self) -> list[Path]:
        """Return the files of all records, in order of name."""
        return sorted(self.root.glob(self.pattern))

    def read(self, file: Path) -> Record:
        """Return the record in a file, which is read again only when it has changed.

        Raises `ValueError`, naming the file, if it holds none, or the one of another name.
        """
        state = files.state(file)
        if state != self._known.get(file, (None,))[0]:
            record = files.read_record(file, self.parse)
            self._check_name(file, record)
            self._known[file] = state, record
        return self._known[file][1]

    def write(self, record: Record) -> Path:
        """Write a record whole or not at all; return its file."""
        text = files.as_text(record, self.sort_keys)
        return files.write_whole(self.path_of(record), text)

    def load(self) -> tuple[list[Record], list[str]]:
        """Return all records that can be read, and a line for each file that cannot."""
        records, problems = [], []
        for file in self.files():
            try:
                records.append(self.read(file))
            except ValueError as error:
                problems.append(str(error))
        return records, problems

    def find(self, config: Config, /) -> Record | None:
        """Return the record of a configuration, None if there is none that can be read."""
        try:
            return self.read(self.path(config))
        except ValueError:
            return None

    def finished(self, config: Config) -> Record | None:
        """Return the record of a configuration if it is finished, else None."""
        record = self.find(config)
        return record if record is not None and self.is_finished(record) else None

    def state(self, config: Config) -> State:
        """Return what changes with the record of a configuration; None where there is no file."""
        file = self.path(config)
        return files.state(file) if file.exists() else None

    def missing(self, configs: Iterable[Config]) -> list[Config]:
        """Return the configurations without a finished record."""
        return [config for config in configs if self.finished(config) is None]

    def _check_name(self, file: Path, record: Record) -> None:
        wanted = self.path_of(record)
        if (file.parent.name, file.name) != (wanted.parent.name, wanted.name):
            where = f"{wanted.parent.name}/{wanted.name}"
            raise ValueError(f"{file}: not a record: it is that of {where}, under another name")

"""Records of other packages' networks: one file each."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from bench.core import plugins
from bench.records import files, peer_record
from bench.records.peer_record import PeerRecord

MANY, NEIGHBOURS = 32, 16  # beyond so many objects a graph has so many neighbours an object


def installed(name: str) -> str | None:
    """Version of the package behind a peer, None where it is not installed."""
    try:
        return distribution(plugins.package(name)).version
    except PackageNotFoundError:
        return None


def path(root: Path, peer: str) -> Path:
    """Where the record of a peer lives under a machine's folder."""
    return root / "peers" / f"{peer}.json"


def read(file: Path) -> PeerRecord:
    """The record in a file. Raises `ValueError`, naming the file, if it does not parse."""
    return files.read_record(file, peer_record.parse)


def write(root: Path, record: PeerRecord) -> Path:
    """Writes a record whole or not at all."""
    return files.write_whole(path(root, record.peer), files.as_text(record, sort_keys=True))


def known(root: Path, peer: str) -> str | None:
    """The version that was measured to the end, if one was."""
    try:
        record = read(path(root, peer))
    except ValueError:
        return None
    return None if record.reason else record.version

"""Other packages' networks: a record each, of the version that is installed."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from bench.core import plugins
from bench.records import peer_record
from bench.records.peer_record import PeerRecord
from bench.records.store import Store

MANY, NEIGHBOURS = 32, 16  # beyond so many objects a graph has so many neighbours an object


class PeerStore(Store[str, PeerRecord]):
    """The peers of a machine: peers/<peer>.json."""

    pattern = "peers/*.json"
    parse = staticmethod(peer_record.parse)
    sort_keys = True

    def path(self, peer: str) -> Path:
        """Return where the record of a peer lives."""
        return self.root / "peers" / f"{peer}.json"

    def path_of(self, record: PeerRecord) -> Path:
        """Return where a record lives."""
        return self.path(record.peer)

    def is_finished(self, record: PeerRecord) -> bool:
        """Return whether all of the version that is installed was measured.

        Of a peer outside the repository, whether all was.
        """
        whole = record.reason is None and not record.unfinished
        return whole and bool(record.source or record.version == installed_version(record.peer))


def installed_version(peer: str) -> str | None:
    """Return the version of the package behind a peer, None where it is not installed.

    That of a peer with a `SOURCE` is the beginning of its commit.
    """
    commit = plugins.source(peer, "peers").get("commit", "")
    if commit:
        return commit[:8]
    try:
        return distribution(plugins.package(peer)).version
    except PackageNotFoundError:
        return None

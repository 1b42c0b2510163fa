"""Every installed peer measured, each in a fresh process."""

from pathlib import Path

from bench.core import plugins
from bench.records import peer_record
from bench.records.claims import TIMING, hold
from bench.records.peer_store import PeerStore, installed_version
from bench.system import pool
from bench.system.protocol import MeasurePeer


def measure_peers(root: Path, device: str, force: bool) -> bool:
    """Time every installed peer that has no record of its version, each in a fresh process.

    Returns whether all of them ran; one whose package is not there is skipped with a line.
    """
    with hold(root / TIMING):
        return _measure(PeerStore(root), device, force)


def _measure(store: PeerStore, device: str, force: bool) -> bool:
    complete = True
    for name in plugins.names("peers"):
        version = installed_version(name)
        if version is None:
            print(f"{name}: skipped, needs `pip install {plugins.package(name)}`")
            continue
        if not force and store.finished(name):
            continue
        try:
            record = peer_record.parse(pool.ask(MeasurePeer(name, device)))
        except RuntimeError as error:
            complete = False
            print(f"{name} {version}: {error}")
            continue
        store.write(record)
        complete &= record.reason is None
        print(f"{name} {version}: {record.reason or 'timed'}")
    return complete

"""Every installed peer measured, each in a fresh process."""

from pathlib import Path

from bench.core import plugins
from bench.records import peer_record
from bench.records.peer_store import PeerStore, installed_version
from bench.system import pool
from bench.system.protocol import MeasurePeer


def measure(root: Path, device: str, force: bool) -> bool:
    """Faces every installed peer that has no file of its version yet; whether all of them ran.

    Each in a fresh process; a peer whose package is not there is skipped with a line.
    """
    store, complete = PeerStore(root), True
    for name in plugins.names("peers"):
        version = installed_version(name)
        if version is None:
            print(f"{name}: skipped, needs `pip install {plugins.package(name)}`")
            continue
        if not force and store.finished(name):
            continue
        try:
            found = peer_record.parse(pool.ask(MeasurePeer(name, device)))
        except RuntimeError as error:
            complete = False
            print(f"{name} {version}: {error}")
            continue
        store.write(found)
        complete &= found.reason is None
        print(f"{name} {version}: {found.reason or 'timed'}")
    return complete

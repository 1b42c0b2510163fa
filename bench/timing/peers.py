"""Every installed peer measured, each in a fresh process."""

from pathlib import Path

from bench.core import plugins
from bench.records import files
from bench.records.peer_store import _known, installed
from bench.system import pool


def measure(root: Path, device: str, force: bool) -> bool:
    """Faces every installed peer that has no file of its version yet; whether all of them ran.

    Each in a fresh process; a peer whose package is not there is skipped with a line.
    """
    complete = True
    for name in plugins.names("peers"):
        version = installed(name)
        if version is None:
            print(f"{name}: skipped, needs `pip install {plugins.package(name)}`")
            continue
        if not force and _known(root, name) == version:
            continue
        try:
            found = pool.ask({"do": "face", "peer": name, "device": device})
        except RuntimeError as error:
            complete = False
            print(f"{name} {version}: {error}")
            continue
        files.write_whole(root / "peers" / f"{found['peer']}.json", files.as_text(found))
        complete &= "reason" not in found
        print(f"{name} {version}: {found.get('reason', 'timed')}")
    return complete

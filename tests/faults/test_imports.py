"""Nothing is fetched by importing. All is imported, which takes long: in the long form alone."""

import subprocess
import sys

import pytest

from bench.system.checkout import PACKAGES, ROOT

IMPORT = """
import importlib, socket, sys
from pathlib import Path
def refuse(*arguments, **options):
    raise AssertionError("something is fetched at import")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
files = sorted(file for folder in sys.argv[1:] for file in Path(folder).rglob("*.py"))
for file in files:
    if file.parent.name != "peers" and file.name != "__main__.py":
        importlib.import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
print(len(files))
"""


@pytest.mark.system
def test_nothing_is_fetched_at_import(long):
    if not long:
        pytest.skip("FAULTS=long imports everything")
    command = [sys.executable, "-W", "ignore", "-c", IMPORT, *PACKAGES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 300

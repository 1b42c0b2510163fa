"""What the image installs is pinned to the byte."""

import re
import tomllib

from bench.system.checkout import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
CONSTRAINTS = (ROOT / "constraints.txt").read_text()
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.M))
EXTRAS = ("bench", "tests", "lint", "slurm", "dask")


def test_everything_that_is_locked_has_a_hash():
    entries = re.split(r"^(?=\w)", LOCK, flags=re.M)[1:]
    assert len(entries) == len(PINS)
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_lock_has_the_versions_that_were_tested():
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", CONSTRAINTS, re.M))
    assert {name: PINS[name].partition("+")[0] for name in pins.keys() & PINS.keys()} == {
        name: version for name, version in pins.items() if name in PINS
    }


def test_all_that_tests_need_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"]]
    wanted += [word for extra in EXTRAS for word in project["optional-dependencies"][extra]]
    names = {re.match(r"[\w.-]+", word)[0] for word in wanted} - {"remul"}
    assert names - PINS.keys() == set()

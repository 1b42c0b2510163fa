"""What a worker may take of the machine."""

import resource
from pathlib import Path

import pytest

from bench.system import environment


@pytest.fixture
def limit(monkeypatch):
    """The bytes that a process may take which has some kB itself and finds others free."""
    limits = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: limits.append(both[0]))

    def spare(own, free):
        texts = {
            "/proc/meminfo": f"MemTotal: 9000 kB\nMemAvailable:    {free} kB\n",
            "/proc/self/status": f"VmRSS:\t 9000 kB\nRssAnon:\t   {own} kB\n",
        }
        monkeypatch.setattr(Path, "read_text", lambda file: texts[str(file)])
        environment.spare_memory(0.5)
        return limits[-1]

    return spare


def test_a_worker_may_take_half_of_what_is_free(limit):
    assert limit(0, 4000) == 2000 * 1024


def test_what_a_worker_has_kept_of_earlier_runs_takes_nothing_from_the_next(limit):
    assert limit(1500, 2500) == limit(0, 4000)

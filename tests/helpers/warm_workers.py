"""Workers that outlive a command, so that the next of a test need not import torch anew."""

import os
from contextlib import contextmanager
from unittest.mock import patch

from bench.system import pool
from bench.system.environment import environment
from bench.training import engines

TOLD = "PYTEST_CURRENT_TEST"  # a variable that is another for each test


class Shelf:
    """Idle workers, by what they run in."""

    def __init__(self):
        self.workers = {}

    def clear(self):
        for workers in self.workers.values():
            for worker in workers:
                worker.kill()
        self.workers.clear()

    @contextmanager
    def in_use(self):
        """The pools of commands in this process take workers from the shelf, and put them back."""
        shelf = self.workers

        class WarmPool(pool.Pool):
            def __enter__(self):
                variables = environment() | self.variables | {TOLD: ""}
                self.place = os.getcwd(), frozenset(variables.items())
                self.idle += shelf.pop(self.place, [])
                self.workers |= {*self.idle}
                return super().__enter__()

            def __exit__(self, *error):
                with self.lock:
                    shelf.setdefault(self.place, []).extend(self.idle)
                    self.workers -= {*self.idle}
                    self.idle.clear()
                super().__exit__(*error)

        with patch.object(pool, "Pool", WarmPool), patch.object(engines, "Pool", WarmPool):
            yield

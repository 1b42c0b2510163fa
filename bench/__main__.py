"""Entry point of `python -m bench`."""

import sys

from bench.system import signals

signals.end_at_once()  # while there is nothing to clean up

from bench.cli import enter  # noqa: E402 - takes a while

sys.exit(enter(sys.argv[1:]))

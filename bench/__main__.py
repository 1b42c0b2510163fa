"""Entry point of `python -m bench`."""

import sys

from bench.cli import enter

sys.exit(enter(sys.argv[1:]))

"""The harness; what plug-in files import from it."""

from bench.core.config import Plugin, Run
from bench.core.contracts import Method, Task
from bench.core.sizes import build_matched

__all__ = ["Method", "Plugin", "Run", "Task", "build_matched"]

"""The commands, one file each: `arguments(command)`, `run(options) -> exit code` and `EXAMPLE`."""

OK, REGRESSED, USAGE, MISSING, FAILED, INTERRUPTED = 0, 1, 2, 3, 4, 130
INTERNAL = 70  # an error of ours: never that of a verdict

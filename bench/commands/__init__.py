"""The commands, one file each: `arguments(command)`, `run(options) -> exit code` and `EXAMPLE`."""

OK, REGRESSED, USAGE, MISSING, FAILED, INTERRUPTED = 0, 1, 2, 3, 4, 130

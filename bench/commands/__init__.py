"""The commands, one file each: `arguments(command)`, `run(options) -> exit code` and `EXAMPLE`."""

OK, USAGE, FAILED, INTERRUPTED = 0, 2, 4, 130

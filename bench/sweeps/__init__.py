"""Sweeps, one file each: `runs() -> Iterator[Run]`."""

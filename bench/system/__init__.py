"""The machine and its processes: clock, workers, threads, GPU. Imports no torch."""

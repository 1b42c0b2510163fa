"""Milliseconds and counters: what is timed, sampled in turn, and counted."""

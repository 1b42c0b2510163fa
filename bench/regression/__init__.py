"""Is it slower? Verdicts on two sets of timings, and what they are taken from."""

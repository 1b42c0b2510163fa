"""Tasks, one file each: `load(seed, **options) -> Task`."""

"""Training methods, one file each: `build(task, **options) -> Method`."""

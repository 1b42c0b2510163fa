"""Networks of other packages, one adapter a file, measured against ours."""

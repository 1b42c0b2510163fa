"""Networks of methods that learn which symmetry there is, by name `discovery/<file>`."""

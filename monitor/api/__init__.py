"""HTTP: what serving processes, hooks and people's programs talk to."""

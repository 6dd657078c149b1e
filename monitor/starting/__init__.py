"""The first steps: a starter configuration out of a log, and the check of a configuration."""

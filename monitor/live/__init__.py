"""Candidates that are watched: since when each counts, how it compares at every look, and what became of it."""

"""Drills: a synthetic fault goes through the live code from the log to the confirmation, and each step is timed."""

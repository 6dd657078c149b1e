"""The false-alarm budget: who has what share of it, and whether it is kept."""

"""Stored summaries, and what rows are counted with: plans, baselines, what they teach."""

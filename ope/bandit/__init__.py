"""Estimators of single decisions, and what shrinks or merges their weights."""

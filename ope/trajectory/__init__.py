"""Estimators of episodes, and fitted Q evaluation."""

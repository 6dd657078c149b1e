"""Rollouts: stages of growing exposure, each judged before the next."""

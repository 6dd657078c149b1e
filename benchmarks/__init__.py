"""Measurements that the documentation quotes; each prints what it measured and with what."""

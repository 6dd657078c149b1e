"""Simulated systems that a policy serves; each speaks to Checkrein through log files and HTTP alone."""

"""Evidently's drift report, the detailed picture that a reviewer reads: never on a tick's path, never in this process.

A firing or a person asks (``asked``) -> a bounded sample of the lake (``sample``) -> a worker process without database,
secrets or network makes the HTML (``worker``, started by ``process``) -> it is kept under its SHA-256 with a row that
says what it shows, or why there is none (``job``, ``kept``).
"""

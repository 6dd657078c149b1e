"""Mergeable summaries: everything measured is counted once, here, and merged ever after.

``summarise`` turns rows into buckets, ``merge`` many stored buckets into one. Imports nothing of Checkrein outside this
folder, so that a Spark worker can run it with numpy, pyarrow and numba alone.
"""

from monitor.summaries.base import Summary
from monitor.summaries.bucket import SUMMARIES, BucketSummary
from monitor.summaries.merging import merge
from monitor.summaries.plan import Feature, Limit, Plan, Segments, Tracked
from monitor.summaries.summarise import summarise

__all__ = [
    "SUMMARIES",
    "BucketSummary",
    "Feature",
    "Limit",
    "Plan",
    "Segments",
    "Summary",
    "Tracked",
    "merge",
    "summarise",
]

"""Which segments a trigger judges, and how a segment is written into the key of its series."""

from __future__ import annotations

from monitor.metrics import METRICS
from monitor.settings.rules import Trigger
from monitor.summaries.grouping import SEGMENTS
from monitor.summaries.plan import Plan

_MARK = "@ "


def compose(key: str, segment: str) -> str:
    """Return the key of a series of one segment; the key itself for all live traffic.

    >>> compose("inlet", "region=eu"), compose("", "region=eu"), compose("inlet", "")
    ('inlet @ region=eu', '@ region=eu', 'inlet')
    """
    return f"{key} {_MARK}{segment}".lstrip() if segment else key


def split(key: str) -> tuple[str, str]:
    """Return key and segment of a series, the segment "" for all live traffic.

    >>> split("inlet @ region=eu"), split("@ region=eu"), split("inlet")
    (('inlet', 'region=eu'), ('', 'region=eu'), ('inlet', ''))
    """
    before, mark, segment = key.partition(_MARK)
    if not mark or "=" not in segment or not (before == "" or before.endswith(" ")):
        return key, ""
    return before[:-1] if before else "", segment


def keys_of(trigger: Trigger, plan: Plan) -> tuple[str, ...]:
    """Return the keys of the series that a trigger judges under a plan: none where the log lacks what it needs.

    >>> from monitor.summaries.plan import Segments
    >>> plan = Plan(segments=(Segments("region", ("eu", "us")),))
    >>> keys_of(Trigger(metric="reward", detector="frozen_sigma", segment="region"), plan)
    ('@ region=eu', '@ region=us', '@ region=(other)')
    """
    wanted = trigger.segment
    if not wanted:
        return METRICS[trigger.metric].keys(plan)
    if wanted in SEGMENTS:
        return tuple(compose(key, wanted) for key in METRICS[trigger.metric].keys(plan))
    named = [name for name in plan.segment_names if wanted in ("all", name, name.partition("=")[0])]
    keys = METRICS[trigger.metric].keys(plan.of_segments) if named else ()
    return tuple(compose(key, name) for name in named for key in keys)


def plan_of(plan: Plan, segment: str) -> Plan:
    """Return what a segment's buckets are counted with."""
    return plan if segment in SEGMENTS else plan.of_segments

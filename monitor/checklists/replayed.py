"""What the rollback triggers would have called on healthy history: the baseline's own windows, judged against it.

In sample, and as long as the baseline: the label says both. A baseline never changes, so the answer is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from detectors import DETECTORS, Series, State, Verdict
from monitor.checklists.span import DAY, Span
from monitor.events import canonical
from monitor.judging import decide
from monitor.judging.decide import Alert
from monitor.judging.discoveries import together
from monitor.judging.parameters import parameters_of
from monitor.judging.scans import Scanned
from monitor.judging.segments import keys_of
from monitor.judging.windows import Windows
from monitor.metrics import METRICS
from monitor.settings import Trigger
from runbooks.checklist.facts import Replay

_KEPT: OrderedDict[str, Replay | None] = OrderedDict()
_MOST = 256


def gather(connection: Connection, span: Span, windows: Windows) -> Replay | None:
    """Replay every window trigger of severity rollback; None without a baseline of whole windows."""
    if span.frozen is None:
        return None
    chosen = {
        name: trigger
        for name, trigger in span.settings.triggers(span.policy).items()
        if trigger.severity == "rollback" and not METRICS[trigger.metric].event
    }
    configured = {name: trigger.model_dump(mode="json") for name, trigger in sorted(chosen.items())}
    constraints = {
        name: one.model_dump(mode="json") for name, one in span.settings.policy[span.policy].constraint.items()
    }
    season = span.settings.policy[span.policy].season
    asked = [span.settings.store.url, str(span.settings.base), span.policy, span.version, span.frozen.id]
    key = canonical([*asked, span.frozen.plan.digest, span.plan.digest, season, configured, constraints])
    if key not in _KEPT:
        _KEPT[key] = _replay(connection, span, windows, chosen)
        while len(_KEPT) > _MOST:
            _KEPT.popitem(last=False)
    return _KEPT[key]


def _replay(connection: Connection, span: Span, windows: Windows, chosen: dict[str, Trigger]) -> Replay | None:
    frozen = span.frozen
    if frozen is None:
        return None
    firings, seconds, used = 0, 0.0, []
    for name, trigger in chosen.items():
        window = int(trigger.window)
        keys = keys_of(trigger, span.plan)
        # A span of no windows, and with it the baseline, which the judge of this process may have loaded already.
        none = (window, frozen.end, frozen.end, span.plan, frozen)
        series = windows.series(connection, span.policy, span.version, trigger.metric, list(keys), *none)
        scanned = []
        for key, empty in series.items():
            if empty.baseline is None or not (empty.baseline.n > 0).any():
                continue
            found = replace(empty.baseline, baseline=empty.baseline)
            seconds = max(seconds, float((found.n > 0).sum()) * window)
            verdicts = DETECTORS[trigger.detector].scan(
                found, **parameters_of(span.settings, span.policy, trigger, key, span.plan)
            )
            scanned.append(Scanned(key, int(frozen.begin), int(frozen.end), found, verdicts))
            used.append(name)
        if trigger.alpha is not None:
            scanned = together(scanned, trigger.alpha, len(keys))
        for one in scanned:
            firings += _firings(span, name, trigger, one.key, one.series, one.verdicts)
    if not used:
        return None
    method = f"baseline {frozen.id}, judged against itself (in sample)"
    return Replay(method, seconds / DAY, firings, tuple(sorted(set(used))))


def _firings(span: Span, name: str, trigger: Trigger, key: str, series: Series, verdicts: Sequence[Verdict]) -> int:
    """Count how often the alert would have fired, by the code that steps the live one."""
    alert, count = Alert(span.policy, span.version, name, key, trigger.severity), 0
    for start, verdict in zip(series.time, verdicts, strict=True):
        if verdict.state in {State.OK, State.FIRE}:
            alert, change = decide.step(alert, verdict, float(start) + trigger.window, trigger, {})
            count += change is not None and change.alert.state == "firing" and change.old != "recovering"
    return count

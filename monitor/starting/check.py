"""`checkrein validate`: read the configuration and a sample of each source; say what is missing; write nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from detectors import DETECTORS
from monitor import candidates, novelty, validate
from monitor.candidates import CandidateError
from monitor.metrics import METRICS
from monitor.runtime import clock_of_environment
from monitor.settings import ConfigurationError, Policy, Settings, load, secret
from monitor.sources import SOURCES, SourceError
from monitor.validate import MappingError


@dataclass(frozen=True)
class Finding:
    """One thing to know: where, what, and whether it must be mended."""

    where: str
    text: str
    bad: bool


def check(config: Path) -> list[Finding]:
    """Check a configuration file and its sources.

    Raises
    ------
    ConfigurationError
        If the file cannot be used at all.
    """
    settings = load(config)
    findings = [*_hooks(settings)]
    for name in settings.policy:
        for trigger_name, trigger in settings.triggers(name).items():
            for kind, known, value in (("metric", METRICS, trigger.metric), ("detector", DETECTORS, trigger.detector)):
                if value not in known:
                    text = f"{kind} {value!r} is unknown; known: {', '.join(known)}"
                    findings.append(Finding(f"trigger.{trigger_name}", text, True))
    for name, policy in settings.policy.items():
        findings += _candidates(settings, name, policy)
        findings += _novelty(name, policy)
        findings += _fallbacks(name, policy)
        findings += _source(settings, name, policy)
    return findings


def _hooks(settings: Settings) -> list[Finding]:
    findings = []
    for name, hook in settings.hook.items():
        try:
            if hook.secret is not None:
                secret(hook.secret, f"hook.{name}.secret")
        except ConfigurationError as error:
            findings.append(Finding(f"hook.{name}", str(error), True))
    if not settings.hook:
        findings.append(Finding("hook", "none is configured: rollbacks are published on the route alone", False))
    return findings


def _candidates(settings: Settings, name: str, policy: Policy) -> list[Finding]:
    findings = []
    for key, spec in policy.candidate.items():
        try:
            candidates.load(key, spec, settings.base)
        except CandidateError as error:
            findings.append(Finding(f"policy.{name}.candidate.{key}", str(error), True))
    return findings


def _novelty(name: str, policy: Policy) -> list[Finding]:
    if not policy.metrics.novelty or novelty.installed():
        return []
    text = f"needs PyTorch when a baseline is frozen: {novelty.INSTALL}"
    return [Finding(f"policy.{name}.metrics.novelty", text, True)]


def _source(settings: Settings, name: str, policy: Policy) -> list[Finding]:
    where = f"policy.{name}.source"
    if policy.source is None:
        return [Finding(where, "none: decisions are pushed to POST /api/v1/decisions", False)]
    source = policy.source
    reader = SOURCES[source.kind](settings.path(source.path), where, source.version)
    try:
        chunk = next(iter(reader.chunks({}, False)), None)
        if chunk is None:
            said = "; ".join(f"{problem.path}: {problem.reason}" for problem in reader.problems) or "nothing to read"
            return [Finding(where, said, True)]
        accepted = validate.decisions(
            chunk.table,
            columns=source.columns,
            policy=name,
            version=source.version,
            known=settings.policy,
            zone=source.zone,
            latest=clock_of_environment().now() + policy.skew,
            actions=policy.actions,
            origin=chunk.path,
            origin_digest=chunk.digest,
            first_row=chunk.first_row,
        )
    except (SourceError, MappingError) as error:
        return [Finding(where, str(error), True)]
    findings = [*_costs(name, policy, accepted.table.column_names)]
    rejects = (*chunk.rejects, *accepted.rejects)
    counts = f"{accepted.table.num_rows} of the first {chunk.table.num_rows} rows are good"
    findings.append(Finding(where, counts, not accepted.table.num_rows))
    findings += [Finding(f"{chunk.path} row {item.row}", f"{item.field}: {item.reason}", True) for item in rejects[:10]]
    lacking = set(accepted.missing)
    rare = {need: None for metric in METRICS.values() if metric.optional for need in metric.needs if need in lacking}
    for title, metric in METRICS.items():
        gone = [need for need in metric.needs if need in lacking]
        if gone and not metric.optional:
            findings.append(Finding(where, f"the log has no {', '.join(gone)}: {title} is not computed", False))
    if rare:
        findings.append(
            Finding(
                where,
                f"the log has none of these optional columns, so nothing is measured from them: {', '.join(rare)}",
                False,
            )
        )
    return findings


def _fallbacks(name: str, policy: Policy) -> list[Finding]:
    if {policy.incumbent, *policy.fallbacks} != {policy.first_serving}:
        return []
    text = f"while {policy.first_serving} serves there is no version to roll back to: name one"
    return [Finding(f"policy.{name}.fallbacks", text, False)]


def _costs(name: str, policy: Policy, columns: Collection[str]) -> list[Finding]:
    """Name the limits that nothing could ever break: their cost is not in the log."""
    costs = [column.removeprefix("cost.") for column in columns if column.startswith("cost.")]
    return [
        Finding(
            f"policy.{name}.constraint.{key}.cost",
            f"the log has no cost.{limit.cost}: it is never violated; the log has {', '.join(costs) or 'no cost'}",
            True,
        )
        for key, limit in policy.constraint.items()
        if limit.cost not in costs
    ]

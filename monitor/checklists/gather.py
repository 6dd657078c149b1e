"""Gather the facts of one policy version: from summaries, the log, verdicts and what was done."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from monitor.bucketing import plans
from monitor.checklists import acted, beside, logged, replayed, segmented, shadowed, summed, watching
from monitor.checklists.span import SPAN, Span
from monitor.judging.windows import newest_baseline
from monitor.settings import Settings
from monitor.store.tables import policies, routes
from monitor.tick import Parts
from runbooks.checklist import Facts, Template
from runbooks.checklist.row_facts import Shown


def span_of(connection: Connection, settings: Settings, policy: str, version: str | None) -> Span:
    """Return what a run is about: the version that serves unless another is named, up to where the log is sealed."""
    serving = connection.execute(select(routes.c.serving).where(routes.c.policy == policy)).scalar_one_or_none()
    serving = serving or settings.policy[policy].first_serving
    sealed = connection.execute(select(policies.c.sealed_until).where(policies.c.policy == policy)).scalar_one_or_none()
    plan, _id = plans.current_plan(connection, settings, policy)
    end = float(sealed or 0.0)
    frozen = newest_baseline(connection, policy)
    return Span(settings, policy, version or serving, serving, max(0.0, end - SPAN), end, plan, frozen)


def gather(
    connection: Connection, parts: Parts, span: Span, template: Template, shown: tuple[Shown, ...] = ()
) -> Facts:
    """Return everything that evaluators may know about the version of ``span``; ``shown`` by the serving side."""
    fields: dict[str, Any] = {}
    datasets: dict[str, Any] = {}
    rows, live = logged.gather(connection, parts.landing.lake, span, shown)
    for found in (
        summed.gather(connection, span, float(template.defaults["alpha"])),
        rows,
        segmented.gather(connection, parts.landing.lake, span, live),
        watching.gather(connection, span, parts.clock),
        acted.gather(connection, span),
        beside.gather(connection, span),
        shadowed.gather(connection, span, parts.clock),
    ):
        datasets |= found.pop("datasets", {})
        fields |= found
    configured = span.settings.policy[span.policy]
    context: dict[str, bool | str | float] = {
        "tier": configured.checklist.tier,
        "serving": span.version == span.serving,
        "incumbent": span.version == span.incumbent,
        "candidate": span.version in configured.candidate,
        "constraints": float(len(configured.constraint)),
        "splitting": beside.other_of(connection, span) is not None,
        **{trait: trait in configured.checklist.traits for trait in ("fine_tuned", "model_based", "slate")},
    }
    return Facts(
        policy=span.policy,
        version=span.version,
        serving=span.serving,
        incumbent=span.incumbent,
        as_of=span.end,
        datasets=datasets,
        context=context,
        replay=replayed.gather(connection, span, parts.windows),
        **fields,
    )

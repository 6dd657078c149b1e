"""One evaluation of a policy's checklist: gathered, judged, written with its evidence in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version as version_of
from typing import Any

from sqlalchemy import insert

from monitor import events
from monitor.checklists import serving
from monitor.checklists.gather import gather, span_of
from monitor.settings import ConfigurationError, Settings
from monitor.store.database import insert_new
from monitor.store.tables import checklist_evidence, checklist_items, checklist_runs
from monitor.tick import Parts
from runbooks.checklist import EVALUATORS, Facts, Item, ItemSpec, Template, TemplateError, judge, parse, shipped
from runbooks.checklist.canonical import canonical, digest
from runbooks.checklist.evidence import body


@dataclass(frozen=True)
class Ran:
    """What one run found: the answers in the template's order, and the digest of each one's evidence."""

    id: int
    version: str
    items: tuple[tuple[ItemSpec, Item, str], ...]


def template_of(settings: Settings, policy: str) -> Template:
    """Return the template that a policy is asked, with the parameters that its configuration changes.

    Raises
    ------
    ConfigurationError
        If its own template cannot be read, or a parameter does not exist.
    """
    configured = settings.policy[policy].checklist
    try:
        if configured.template is None:
            template = shipped()
        else:
            template = parse(settings.path(configured.template).read_text("utf-8"))
        return template.changed(configured.parameters)
    except OSError as error:
        raise ConfigurationError(
            f"policy.{policy}.checklist.template: {configured.template}: {error.strerror}"
        ) from None
    except TemplateError as error:
        raise ConfigurationError(f"policy.{policy}.checklist: {error}") from None


def refresh(parts: Parts, policy: str) -> int:
    """Evaluate the checklist of the version that serves; returns how many items block. The scheduled job."""
    ran = run(parts, policy, None, "checkrein")
    tier = parts.settings.policy[policy].checklist.tier
    return sum(blocks(spec, tier) and not item.opens for spec, item, _digest in ran.items)


def run(parts: Parts, policy: str, version: str | None, actor: str) -> Ran:
    """Evaluate every item for one version (None: the one that serves) and keep answers and evidence.

    Raises
    ------
    ConfigurationError
        If the policy's template cannot be used.
    """
    template = template_of(parts.settings, policy)
    shown = serving.shown(parts.settings, policy)
    with parts.database.read() as connection:
        span = span_of(connection, parts.settings, policy, version)
        facts = gather(connection, parts, span, template, shown)
    found = [_answer(template, spec, facts) for spec in template.items]
    run_row = {
        "policy": policy, "version": span.version, "template": f"{template.name} {template.version}",
        "template_sha256": template.digest, "code": _code(), "actor": actor, "as_of": span.end,
        "recorded": parts.clock.now(), "real_recorded": parts.clock.real(),
    }  # fmt: skip
    with parts.database.begin() as connection:
        made = insert(checklist_runs).values(run_row).returning(checklist_runs.c.id)
        identity = int(connection.execute(made).scalar_one())
        insert_new(connection, checklist_evidence, [{"sha256": d, "body": canonical(b)} for _s, _i, b, d in found])
        connection.execute(insert(checklist_items), [_row(identity, *entry) for entry in found])
        states = {spec.id: item.state.value for spec, item, _body, _digest in found}
        note = {"run": identity, "version": span.version, "template_sha256": template.digest, "states": states}
        events.record(connection, parts.clock, "checklist.run", policy, actor, note)
    return Ran(identity, span.version, tuple((spec, item, address) for spec, item, _body, address in found))


def blocks(spec: ItemSpec, tier: str) -> bool:
    """Whether a gate stays closed on the item: blocking ones always, major ones in the high-risk tier."""
    return spec.blocking or tier == "high-risk"


def _answer(template: Template, spec: ItemSpec, facts: Facts) -> tuple[ItemSpec, Item, dict[str, Any], str]:
    item = judge(template, spec, facts, EVALUATORS)
    content = body(template, spec, facts, item, EVALUATORS.get(spec.id), _code())
    return spec, item, content, digest(content)


def _row(run: int, spec: ItemSpec, item: Item, content: dict[str, Any], address: str) -> dict[str, Any]:
    numbers = {"number": item.number, "threshold": item.threshold, "unit": item.unit}
    times = {"collected": content["collected_at"], "expires": content["expires_at"]}
    answer = {"state": item.state.value, "sentence": item.sentence, "evidence": address}
    return {"run": run, "item": spec.id, **answer, **numbers, **times}


def _code() -> str:
    return version_of("checkrein")

"""What pages and commands show of a checklist: the newest run, each item with its evidence, nothing measured anew."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, func, select

from monitor.checklists.runs import blocks, template_of
from monitor.clock import Clock
from monitor.settings import Settings
from monitor.store.tables import checklist_evidence, checklist_items, checklist_runs, routes
from runbooks.checklist import ItemSpec

_OPEN = {"pass", "not_applicable"}
NEVER = "It has not been evaluated: run `checkrein checklist run`."


def read(
    connection: Connection, settings: Settings, clock: Clock, policy: str, version: str | None = None
) -> dict[str, Any]:
    """Return the newest run of a policy's checklist, as JSON values.

    Parameters
    ----------
    connection, settings, clock, policy
        A read transaction, the configuration, the time, and whose checklist.
    version
        The judged version; None is the one that serves.

    Returns
    -------
    dict
        ``ran``: whether there is a run; ``version``, ``template``, ``tier``, ``run`` (id, actor, as_of, recorded);
        ``evaluated``: versions that have a run, newest first, with when;
        ``summary``: items by state, an item with overlay ``stale`` under "stale"; ``blocking``: ids that keep a gate
        closed; ``gates``: gate -> its blocking ids; ``phases``: title and item ids, in order; ``items``: each with id,
        phase, question, state, overlays, blocks, sentence, value, threshold, unit, evidence (digest), collected and
        expires in seconds, what is measured, what passes, who attests, references, and ``body``, the evidence itself.
    """
    template = template_of(settings, policy)
    tier = settings.policy[policy].checklist.tier
    if version is None:
        serving = connection.execute(select(routes.c.serving).where(routes.c.policy == policy)).scalar_one_or_none()
        version = serving or settings.policy[policy].first_serving
    runs = select(checklist_runs).where(checklist_runs.c.policy == policy, checklist_runs.c.version == version)
    run = connection.execute(runs.order_by(checklist_runs.c.id.desc()).limit(1)).one_or_none()
    found = {} if run is None else _answers(connection, run.id)
    current = run is not None and run.template_sha256 == template.digest
    items = [_item(spec, found.get(spec.id), tier, clock.now(), current=current) for spec in template.items]
    summary: dict[str, int] = {}
    for item in items:
        shown = "stale" if "stale" in item["overlays"] else item["state"]
        summary[shown] = summary.get(shown, 0) + 1
    closed = [item["id"] for item in items if item["blocks"]]
    return {
        "ran": run is not None,
        "policy": policy,
        "version": version,
        "tier": tier,
        "template": {
            "name": template.name,
            "version": template.version,
            "sha256": template.digest,
            "references_status": template.references_status,
        },
        "run": None
        if run is None
        else {"id": run.id, "actor": run.actor, "as_of": run.as_of, "recorded": run.recorded, "code": run.code},
        "evaluated": _evaluated(connection, policy),
        "summary": summary,
        "blocking": closed,
        "gates": {
            gate: {"title": title, "blocking": [i["id"] for i in items if i["blocks"] and gate in i["gates"]]}
            for gate, title in template.gates.items()
        },
        "phases": [
            {"phase": phase, "title": title, "items": [i["id"] for i in items if i["phase"] == phase]}
            for phase, title in template.phases.items()
        ],
        "items": items,
    }


def _evaluated(connection: Connection, policy: str) -> list[dict[str, Any]]:
    newest = func.max(checklist_runs.c.recorded).label("recorded")
    found = select(checklist_runs.c.version, newest).where(checklist_runs.c.policy == policy)
    rows = connection.execute(
        found.group_by(checklist_runs.c.version).order_by(newest.desc(), checklist_runs.c.version)
    )
    return [{"version": row.version, "recorded": row.recorded} for row in rows]


def _answers(connection: Connection, run: int) -> dict[str, dict[str, Any]]:
    joined = select(checklist_items, checklist_evidence.c.body).join(
        checklist_evidence, checklist_evidence.c.sha256 == checklist_items.c.evidence
    )
    rows = connection.execute(joined.where(checklist_items.c.run == run))
    return {row.item: {**row._mapping, "body": json.loads(row.body)} for row in rows}


def _item(spec: ItemSpec, answer: dict[str, Any] | None, tier: str, now: float, *, current: bool) -> dict[str, Any]:
    """Return one item: its question, and its answer with what lies over it.

    ``stale``: the evidence expired, or was found under another template than the one that counts now.
    ``awaiting_attestation``: a person has to say what no log can.
    """
    known = answer or {"state": "insufficient_evidence", "sentence": NEVER}
    overlays = []
    if answer is not None and (answer["expires"] <= now or not current):
        overlays.append("stale")
    if spec.attested_by:
        overlays.append("awaiting_attestation")
    closed = blocks(spec, tier) and (known["state"] not in _OPEN or "stale" in overlays)
    return {
        "id": spec.id,
        "phase": spec.phase,
        "gates": list(spec.gates),
        "severity": "blocking" if spec.blocking else "major",
        "waivable": spec.waivable,
        "question": spec.question,
        "measured_from": spec.measured_from,
        "passes_when": spec.passes_when,
        "attested_by": spec.attested_by,
        "references": {name: list(values) for name, values in spec.references.items()},
        "state": known["state"],
        "overlays": overlays,
        "blocks": closed,
        "sentence": known["sentence"],
        "value": known.get("number"),
        "threshold": known.get("threshold"),
        "unit": known.get("unit") or "",
        "evidence": known.get("evidence"),
        "collected": known.get("collected"),
        "expires": known.get("expires"),
        "body": known.get("body"),
    }

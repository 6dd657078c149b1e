"""Prometheus text: ages, depths and outcomes, from the database, so that every process tells the same."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from sqlalchemy import Connection, case, func, select

from monitor.alerting.overlays import KINDS
from monitor.clock import Clock
from monitor.drill.kept import KILL, newest_passed
from monitor.incidents.rows import unanswered_since
from monitor.notify import outbox
from monitor.review import told
from monitor.running.failures import FAILED
from monitor.settings import Settings
from monitor.status import HEALTH, alerts_of
from monitor.store.tables import actions, alerts, heartbeats, incidents, notifications, policies, quarantine
from runbooks.actions import ActionState
from runbooks.incidents import IncidentState
from runbooks.messages import MessageState

_OPEN = ("pending", "in_flight", "delivered", "unconfirmed")
_FUTURE = 60.0  # a sign of life from further ahead was given before the machine's clock was set back
OUTCOMES = ("delivered", "waiting", "failing", "refused", "withdrawn")
GONE = "(gone)"  # all hooks and policies that the configuration does not have any more
OTHER, FIELDS = "(other)", 50  # a log names its columns: of each policy the fields with the most rows are told apart


def exposition(connection: Connection, settings: Settings, clock: Clock) -> str:
    """Return the metrics in Prometheus' text format.

    What never happened is a series too: a rule that compares an age fires for infinity, and never for a series that is
    not there. Labels are names of the configuration and words of ours, so their number is bounded.
    """
    registry = CollectorRegistry()

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"checkrein_{name}", text, labels, registry=registry)

    age = gauge("data_age_seconds", "Age of the newest decision; +Inf: there is none", "policy")
    newest = {row.policy: row.last_ts for row in connection.execute(select(policies.c.policy, policies.c.last_ts))}
    for policy in settings.policy:
        last = newest.get(policy)
        age.labels(policy).set(math.inf if last is None else clock.now() - last)
    _signs_of_life(connection, settings, clock, gauge)
    depth = gauge("actions", "Actions by state", "state")
    for state, count in connection.execute(select(actions.c.state, func.count()).group_by(actions.c.state)):
        depth.labels(state).set(count)
    doubtful = select(func.count()).where(actions.c.state == ActionState.UNCONFIRMED.value)
    text = "Actions that were delivered and are not seen to work"
    gauge("actions_unconfirmed", text).set(connection.execute(doubtful).scalar_one())
    unfinished = select(func.count(), func.min(actions.c.real_requested)).where(actions.c.state.in_(_OPEN))
    count, oldest = connection.execute(unfinished).one()
    gauge("outbox_depth", "Actions that are not finished").set(count)
    gauge("outbox_oldest_seconds", "Age of the oldest unfinished action").set(clock.real() - oldest if oldest else 0)
    _deliveries(connection, settings, gauge)
    _messages(connection, settings, clock, gauge)
    _incidents(connection, settings, clock, gauge)
    firing = gauge("alerts_firing", "Alerts that fire, by severity", "policy", "severity")
    by = (alerts.c.policy, alerts.c.severity)
    for policy, severity, number in connection.execute(
        select(*by, func.count()).where(alerts.c.state == "firing", ~alerts.c.dry_run).group_by(*by)
    ):
        firing.labels(policy, severity).set(number)
    _alert_health(connection, settings, clock, gauge)
    _drills(connection, settings, clock, gauge)
    _quarantined(connection, settings, gauge)
    _reviews(connection, settings, clock, gauge)
    return generate_latest(registry).decode()


def _alert_health(connection: Connection, settings: Settings, clock: Clock, gauge: Callable[..., Gauge]) -> None:
    """Tell how many alerts can be judged, and how many firings of dry runs and muted ones page nobody."""
    found = [
        item for item in alerts_of(connection, settings, clock, all_states=True) if item["policy"] in settings.policy
    ]
    health = gauge("alerts_health", "Alerts by health", "policy", "health")
    counted = Counter((item["policy"], item["health"]) for item in found)
    for policy in settings.policy:
        for word in HEALTH:
            health.labels(policy, word).set(counted[policy, word])
    quiet = gauge("alerts_overlaid", "Alerts that fire and page nobody, by what lies over them", "policy", "overlay")
    firing = [item for item in found if item["state"] == "firing"]
    over = Counter((item["policy"], kind) for item in firing for kind in {one["kind"] for one in item["overlays"]})
    for policy in settings.policy:
        for kind in KINDS:
            quiet.labels(policy, kind).set(over[policy, kind])


def _signs_of_life(connection: Connection, settings: Settings, clock: Clock, gauge: Callable[..., Gauge]) -> None:
    """Tell when each job and loop last worked, a policy that was never passed over among them, and last failed."""
    worked = gauge("evaluation_age_seconds", "Real seconds since a job or loop last did its work; +Inf: never", "part")
    failed = gauge("failure_age_seconds", "Real seconds since a job failed that has not worked since", "part")
    for policy in settings.policy:
        worked.labels(f"judge:{policy}").set(math.inf)
    for row in connection.execute(select(heartbeats.c.part, heartbeats.c.real_at)):
        part = row.part.removeprefix(FAILED)
        _job, colon, policy = part.partition(":")
        if colon and policy not in settings.policy:
            continue  # of a policy that is not configured any more
        age = clock.real() - row.real_at
        (failed if row.part.startswith(FAILED) else worked).labels(part).set(age if age >= -_FUTURE else math.inf)


def _deliveries(connection: Connection, settings: Settings, gauge: Callable[..., Gauge]) -> None:
    """Count what each hook was to be told, by what became of it, and the attempts that were made."""
    c = actions.c
    outcome = case(
        (c.state.in_((ActionState.BLOCKED.value, ActionState.DEAD_LETTER.value)), "refused"),
        (c.real_delivered.is_not(None), "delivered"),
        (c.state.in_((ActionState.SUPERSEDED.value, ActionState.CANCELLED.value)), "withdrawn"),
        (c.attempts > case((c.state == ActionState.IN_FLIGHT.value, 1), else_=0), "failing"),
        else_="waiting",
    )
    counted = dict.fromkeys(((hook, word) for hook in settings.hook for word in OUTCOMES), 0)
    tried = dict.fromkeys(settings.hook, 0)
    each = select(c.hook, c.attempts, outcome.label("outcome")).where(c.hook != "").subquery()
    by = (each.c.hook, each.c.outcome)
    sums = (func.count().label("number"), func.sum(each.c.attempts).label("tries"))
    for row in connection.execute(select(*by, *sums).group_by(*by)):
        hook = row.hook if row.hook in settings.hook else GONE
        counted[hook, row.outcome] = counted.get((hook, row.outcome), 0) + row.number
        tried[hook] = tried.get(hook, 0) + int(row.tries)
    told = gauge("deliveries", "Actions by hook and what became of their delivery", "hook", "outcome")
    for labels, number in counted.items():
        told.labels(*labels).set(number)
    attempts = gauge("delivery_attempts", "Attempts to deliver the actions that are stored", "hook")
    for hook, number in tried.items():
        attempts.labels(hook).set(number)


def _messages(connection: Connection, settings: Settings, clock: Clock, gauge: Callable[..., Gauge]) -> None:
    """Count the messages to people by channel and state, and tell how long the oldest one has waited."""
    c = notifications.c
    counted = dict.fromkeys(((channel, state.value) for channel in settings.notify for state in MessageState), 0)
    for row in connection.execute(
        select(c.channel, c.state, func.count().label("number")).group_by(c.channel, c.state)
    ):
        labels = row.channel if row.channel in settings.notify else GONE, row.state
        counted[labels] = counted.get(labels, 0) + row.number
    told = gauge("notifications", "Messages to people by channel and state", "channel", "state")
    for labels, number in counted.items():
        told.labels(*labels).set(number)
    oldest = connection.execute(select(func.min(c.real_requested)).where(outbox.waiting())).scalar_one()
    text = "Age of the oldest message that nobody has been told yet"
    gauge("notifications_oldest_seconds", text).set(0 if oldest is None else max(0.0, clock.real() - oldest))
    dead = connection.execute(select(func.count()).where(outbox.troubled())).scalar_one()
    gauge("notifications_dead_letters", "Messages that could not be delivered; tests and drills aside").set(dead)


def _incidents(connection: Connection, settings: Settings, clock: Clock, gauge: Callable[..., Gauge]) -> None:
    """Count the open incidents, and tell how long the oldest that wakes people has waited for an answer."""
    opened = connection.execute(select(incidents).where(incidents.c.closed.is_(None))).all()
    states = [state.value for state in IncidentState if state is not IncidentState.CLOSED]
    counted = dict.fromkeys(((policy, state) for policy in settings.policy for state in states), 0)
    waited = dict.fromkeys(settings.policy, 0.0)
    for row in opened:
        policy = row.policy if row.policy in settings.policy else GONE
        counted[policy, row.state] = counted.get((policy, row.state), 0) + 1
        if row.state == IncidentState.TRIGGERED:
            age = clock.now() - unanswered_since(connection, row)
            waited[policy] = max(waited.get(policy, 0.0), age if age >= -_FUTURE else math.inf)
    told = gauge("incidents", "Open incidents by policy and state", "policy", "state")
    for labels, number in counted.items():
        told.labels(*labels).set(number)
    text = "Age of the oldest open incident that nobody has acknowledged; 0: none waits"
    unanswered = gauge("incidents_unacknowledged_seconds", text, "policy")
    for policy, seconds in waited.items():
        unanswered.labels(policy).set(seconds)


def _reviews(connection: Connection, settings: Settings, clock: Clock, gauge: Callable[..., Gauge]) -> None:
    """Tell how many shadow disagreements wait for people, how long the oldest has, and the open exploits."""
    waiting = gauge("reviews_open", "Shadow disagreements that wait for reviewers", "policy")
    oldest = gauge("reviews_oldest_seconds", "Age of the oldest one that waits; 0: none does", "policy")
    exploits = gauge("reviews_exploits", "Open exploits that reviewers found", "policy")
    for policy in settings.policy:
        found = told.queue(connection, settings, clock, policy)
        waiting.labels(policy).set(found["open"])
        oldest.labels(policy).set(found["oldest_s"] or 0)
        exploits.labels(policy).set(found["exploits"])


def _drills(connection: Connection, settings: Settings, clock: Clock, gauge: Callable[..., Gauge]) -> None:
    """Tell how old the last passed drill of each rollback trigger and of the kill switch is, and of others drilled."""
    told = gauge("drill_age_seconds", "Age of the last passed drill; +Inf: none passed", "policy", "trigger")
    passed = newest_passed(connection)
    for policy in settings.policy:
        on = settings.triggers(policy)
        due = [name for name, one in on.items() if one.severity == "rollback" or (policy, name) in passed]
        for name in (*due, KILL):
            row = passed.get((policy, name))
            told.labels(policy, name).set(math.inf if row is None else clock.now() - row.ended)


def _quarantined(connection: Connection, settings: Settings, gauge: Callable[..., Gauge]) -> None:
    """Count the rows in quarantine by the field that is wrong; the rarest fields of a policy are one."""
    c = quarantine.c
    grouped = select(c.policy, c.field, func.count().label("number")).group_by(c.policy, c.field)
    counted: dict[tuple[str, str], int] = {}
    kept: Counter[str] = Counter()
    for row in connection.execute(grouped.order_by(func.count().desc(), c.policy, c.field)):
        policy = row.policy if row.policy in settings.policy else GONE
        kept[policy] += 1
        labels = policy, row.field if kept[policy] <= FIELDS else OTHER
        counted[labels] = counted.get(labels, 0) + row.number
    refused = gauge("quarantined_rows", "Rows in quarantine", "policy", "field")
    for labels, number in counted.items():
        refused.labels(*labels).set(number)

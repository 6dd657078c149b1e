"""Tables of what people are told: silences, what each alert has paged, and the messages that are sent."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, String, Text

from monitor.store.tables.base import table

# Mutes pages about matching alerts until a time; decides nothing. Rows stay, so that it can be read who muted what.
silences = table(
    "silences",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("policy", String, nullable=False),
    Column("trigger", String, nullable=False),  # "" = all
    Column("version", String, nullable=False),  # "" = all
    Column("key", String),  # one series of the trigger; NULL = all
    Column("owner", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("ended", Float),  # by a person, before its time
    Column("ended_by", String),
    Index("silences_by_policy", "policy", "until"),
)

# What people know of an alert, and whether it flaps; written in the transaction that moves the alert.
notices = table(
    "notices",
    Column("policy", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("trigger", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("told", String, nullable=False),  # "" | firing | flapping: what this trouble has paged
    Column("paged", Float),  # when it paged last; NULL = nobody was told, or a silence was in between
    Column("moved", Float),  # when it last began or stopped firing
    Column("flapping", Float),  # since when; NULL = it does not
)

# A message to people for one channel: a side effect to do, claimed, sent and marked like an action.
notifications = table(
    "notifications",
    Column("id", String, primary_key=True),
    Column("channel", String, nullable=False),  # a [notify.NAME]
    Column("policy", String, nullable=False),  # "" = of all policies
    Column("incident", Integer),
    Column("kind", String, nullable=False),  # page | update | acknowledged | resolved | digest | test
    Column("dedup", String, nullable=False),  # messages of one trouble share it
    Column("drill", Boolean, nullable=False, default=False),
    Column("body", Text, nullable=False),  # JSON of the message
    Column("state", String, nullable=False, index=True),  # pending | in_flight | delivered | dead_letter | cancelled
    Column("requested", Float, nullable=False),
    Column("real_requested", Float, nullable=False),
    Column("place", Integer, nullable=False),  # order among the channel's messages of one trouble
    Column("attempts", Integer, nullable=False, default=0),
    Column("real_first_attempt", Float),
    Column("real_due", Float),  # when it may be tried next; NULL = nothing to do
    Column("real_lease", Float),  # until when a worker owns it
    Column("fence", BigInteger, nullable=False, default=0),
    Column("real_delivered", Float),
    Column("last_error", Text),
    Column("reached", Text, nullable=False),  # JSON list of the channel's receivers that have it
    Index("notifications_by_trouble", "channel", "dedup", "place"),
    Index("notifications_by_policy", "policy", "real_requested"),
    Index("notifications_by_incident", "incident"),
)

# What another Alertmanager told us: one row a firing of one of its alerts. Shown beside ours, judged by nobody.
foreign_alerts = table(
    "foreign_alerts",
    Column("fingerprint", String, primary_key=True),
    Column("starts", Float, primary_key=True),
    Column("status", String, nullable=False),  # firing | resolved; never back
    Column("ends", Float),
    Column("policy", String, nullable=False),  # "" = its labels name none of ours
    Column("name", String, nullable=False),
    Column("labels", Text, nullable=False),  # JSON
    Column("annotations", Text, nullable=False),  # JSON
    Column("generator_url", Text, nullable=False),
    Column("receiver", String, nullable=False),
    Column("first_seen", Float, nullable=False),
    Column("last_seen", Float, nullable=False),
    Index("foreign_alerts_by_policy", "policy", "status"),
)

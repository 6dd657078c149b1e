"""control room."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "drills",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("to_version", sa.String(), nullable=False),
        sa.Column("receiver", sa.String(), nullable=False),
        sa.Column("page", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("began", sa.Float(), nullable=False),
        sa.Column("ended", sa.Float(), nullable=False),
        sa.Column("real_began", sa.Float(), nullable=False),
        sa.Column("real_ended", sa.Float(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("parameters", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("drills", schema=None) as batch_op:
        batch_op.create_index("drills_by_trigger", ["policy", "trigger", "id"], unique=False)

    op.create_table(
        "foreign_alerts",
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("starts", sa.Float(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("ends", sa.Float(), nullable=True),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("annotations", sa.Text(), nullable=False),
        sa.Column("generator_url", sa.Text(), nullable=False),
        sa.Column("receiver", sa.String(), nullable=False),
        sa.Column("first_seen", sa.Float(), nullable=False),
        sa.Column("last_seen", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "starts"),
    )
    with op.batch_alter_table("foreign_alerts", schema=None) as batch_op:
        batch_op.create_index("foreign_alerts_by_policy", ["policy", "status"], unique=False)

    op.create_table(
        "incident_followups",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("incident", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("due", sa.Float(), nullable=True),
        sa.Column("made", sa.Float(), nullable=False),
        sa.Column("done", sa.Float(), nullable=True),
        sa.Column("done_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("incident_followups", schema=None) as batch_op:
        batch_op.create_index("incident_followups_by_incident", ["incident"], unique=False)

    op.create_table(
        "incident_notes",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("incident", sa.Integer(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("incident_notes", schema=None) as batch_op:
        batch_op.create_index("incident_notes_by_incident", ["incident"], unique=False)

    op.create_table(
        "incident_steps",
        sa.Column("incident", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("page_sha256", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("expect", sa.Text(), nullable=False),
        sa.Column("on_timeout", sa.Text(), nullable=False),
        sa.Column("within", sa.Float(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("evidence_sha256", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("real_started", sa.Float(), nullable=True),
        sa.Column("real_deadline", sa.Float(), nullable=True),
        sa.Column("actor", sa.String(), nullable=True),
        sa.Column("at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("incident", "number"),
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("incident", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("dedup", sa.String(), nullable=False),
        sa.Column("drill", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("requested", sa.Float(), nullable=False),
        sa.Column("real_requested", sa.Float(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("real_first_attempt", sa.Float(), nullable=True),
        sa.Column("real_due", sa.Float(), nullable=True),
        sa.Column("real_lease", sa.Float(), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("real_delivered", sa.Float(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("reached", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_notifications_state"), ["state"], unique=False)
        batch_op.create_index("notifications_by_incident", ["incident"], unique=False)
        batch_op.create_index("notifications_by_policy", ["policy", "real_requested"], unique=False)
        batch_op.create_index("notifications_by_trouble", ["channel", "dedup", "place"], unique=False)

    op.create_table(
        "review_days",
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("per_day", sa.Integer(), nullable=False),
        sa.Column("largest", sa.Integer(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("paired", sa.BigInteger(), nullable=False),
        sa.Column("differing", sa.BigInteger(), nullable=False),
        sa.Column("large", sa.BigInteger(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("policy", "version", "day"),
    )
    op.create_table(
        "review_verdicts",
        sa.Column("review", sa.String(), nullable=False),
        sa.Column("reviewer", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("review", "reviewer"),
    )
    op.create_table(
        "reviews",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("live_version", sa.String(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("decision_id", sa.String(), nullable=False),
        sa.Column("ts", sa.Float(), nullable=False),
        sa.Column("added", sa.Float(), nullable=False),
        sa.Column("live_action", sa.Text(), nullable=False),
        sa.Column("shadow_action", sa.Text(), nullable=False),
        sa.Column("sense", sa.String(), nullable=False),
        sa.Column("size", sa.Float(), nullable=False),
        sa.Column("draw", sa.Float(), nullable=False),
        sa.Column("tie", sa.Float(), nullable=False),
        sa.Column("stratum", sa.String(), nullable=False),
        sa.Column("inclusion", sa.Float(), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("exploit", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("reviews", schema=None) as batch_op:
        batch_op.create_index("reviews_by_day", ["policy", "version", "day"], unique=False)
        batch_op.create_index("reviews_by_state", ["policy", "state"], unique=False)

    op.create_table(
        "rollout_approvals",
        sa.Column("rollout", sa.Integer(), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("real_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("rollout", "stage", "person", "digest"),
    )
    op.create_table(
        "rollouts",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("candidate", sa.String(), nullable=False),
        sa.Column("incumbent", sa.String(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("limitation", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("evidence_sha256", sa.String(), nullable=False),
        sa.Column("judgement", sa.Text(), nullable=False),
        sa.Column("judgement_sha256", sa.String(), nullable=False),
        sa.Column("judged", sa.Float(), nullable=True),
        sa.Column("real_looked", sa.Float(), nullable=False),
        sa.Column("begin", sa.Float(), nullable=True),
        sa.Column("paused", sa.Float(), nullable=True),
        sa.Column("idle", sa.Float(), nullable=False),
        sa.Column("baked", sa.Float(), nullable=False),
        sa.Column("moves", sa.Integer(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("started", sa.Float(), nullable=False),
        sa.Column("ended", sa.Float(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("rollouts", schema=None) as batch_op:
        batch_op.create_index("rollouts_by_policy", ["policy", "id"], unique=False)

    with op.batch_alter_table("actions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("share", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("stops", sa.Text(), nullable=True))

    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("dry_run", sa.Boolean(), server_default=sa.false(), nullable=False))

    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.add_column(sa.Column("title", sa.Text(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("state", sa.String(), server_default="triggered", nullable=False))
        batch_op.add_column(sa.Column("severity", sa.String(), server_default="rollback", nullable=False))
        batch_op.add_column(sa.Column("level", sa.Integer(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(sa.Column("led_by", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("asks", sa.Boolean(), nullable=True))
        batch_op.add_column(sa.Column("ack_within", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("told", sa.Integer(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(sa.Column("real_told", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("real_next_escalation", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("ack_by", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("real_acked", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("real_ack_expires", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("mitigated", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("resolved", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("resolved_by", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("reopened", sa.Integer(), server_default=sa.text("0"), nullable=False))

    with op.batch_alter_table("silences", schema=None) as batch_op:
        batch_op.add_column(sa.Column("key", sa.String(), nullable=True))

    with op.batch_alter_table("tokens", schema=None) as batch_op:
        batch_op.add_column(sa.Column("person", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("can", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("real_expires", sa.Float(), nullable=True))

    with op.batch_alter_table("transitions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("dry_run", sa.Boolean(), server_default=sa.false(), nullable=False))

    op.execute("UPDATE incidents SET state = 'closed', resolved = closed WHERE closed IS NOT NULL")

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
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("real_due", sa.Float(), nullable=True),
        sa.Column("real_lease", sa.Float(), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("real_delivered", sa.Float(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_notifications_state"), ["state"], unique=False)
        batch_op.create_index("notifications_by_incident", ["incident"], unique=False)
        batch_op.create_index("notifications_by_policy", ["policy", "real_requested"], unique=False)

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

    op.execute("UPDATE incidents SET state = 'closed', resolved = closed WHERE closed IS NOT NULL")

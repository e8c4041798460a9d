"""alerts, what must be told about them, and the vital signs they are judged by

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("calm_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'firing', 'resolved')", name=op.f("ck_alert_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    op.create_index(
        "ix_alert_current",
        "alert",
        ["rule", "subject"],
        unique=True,
        postgresql_where=sa.text("state <> 'resolved'"),
    )
    op.create_index("ix_alert_resolved_at", "alert", ["resolved_at"], unique=False)
    op.create_table(
        "notice",
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("occasion IN ('firing', 'resolved')", name=op.f("ck_notice_occasion")),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_notice_alert_id_alert")),
        sa.PrimaryKeyConstraint("alert_id", "occasion", "channel", name=op.f("pk_notice")),
    )
    op.create_index("ix_notice_due_at", "notice", ["due_at"], unique=False, postgresql_where=sa.text("sent_at IS NULL"))
    op.create_table(
        "vital",
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("suggestions", sa.BigInteger(), nullable=False),
        sa.Column("slow", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("minute", name=op.f("pk_vital")),
    )
    op.create_index(
        "ix_event_dismissed_received_at",
        "event",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("kind = 'dismissed'"),
    )


def downgrade() -> None:
    op.drop_index("ix_event_dismissed_received_at", table_name="event")
    op.drop_table("vital")
    op.drop_table("notice")
    op.drop_table("alert")

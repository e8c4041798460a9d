"""notices with their own words, so that steps of deployments can be told too; alerts that can't be judged; whose drift

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# What waits to be told is told; the title and advice of its rule are in a file that a migration does not read.
OF_ALERTS = """
UPDATE notice SET key = alert.id || '-' || occasion, telling = jsonb_build_object(
    'key', alert.id || '-' || occasion, 'rule', rule, 'subject', subject, 'occasion', occasion, 'title', rule,
    'words', words, 'advice', 'See /metrics.',
    'since', to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC')
FROM alert WHERE alert.id = notice.alert_id
"""
TO_ALERTS = """
UPDATE notice SET alert_id = alert.id, occasion = telling ->> 'occasion'
FROM alert WHERE key = alert.id || '-' || (telling ->> 'occasion')
"""


def upgrade() -> None:
    op.add_column("notice", sa.Column("key", sa.Text(), nullable=True))
    op.add_column("notice", sa.Column("telling", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.execute(OF_ALERTS)
    op.alter_column("notice", "key", nullable=False)
    op.alter_column("notice", "telling", nullable=False)
    # Its primary key, foreign key and check go with the columns.
    op.drop_column("notice", "alert_id")
    op.drop_column("notice", "occasion")
    op.create_primary_key("pk_notice", "notice", ["key", "channel"])
    op.add_column("alert", sa.Column("unjudged", sa.Text(), nullable=True))
    op.add_column("drift", sa.Column("kind", sa.Text(), nullable=False, server_default="ask"))
    op.alter_column("drift", "kind", server_default=None)
    op.drop_constraint("pk_drift", "drift")
    op.create_primary_key("pk_drift", "drift", ["kind", "since", "until", "model_version", "reference"])


def downgrade() -> None:
    op.execute("DELETE FROM drift WHERE kind <> 'ask'")
    # Drops the primary key with it.
    op.drop_column("drift", "kind")
    op.create_primary_key("pk_drift", "drift", ["since", "until", "model_version", "reference"])
    op.drop_column("alert", "unjudged")
    op.add_column("notice", sa.Column("alert_id", sa.Uuid(), nullable=True))
    op.add_column("notice", sa.Column("occasion", sa.Text(), nullable=True))
    op.execute(TO_ALERTS)
    op.execute("DELETE FROM notice WHERE alert_id IS NULL")
    op.drop_column("notice", "key")
    op.drop_column("notice", "telling")
    op.create_primary_key("pk_notice", "notice", ["alert_id", "occasion", "channel"])
    op.create_foreign_key("fk_notice_alert_id_alert", "notice", "alert", ["alert_id"], ["id"])
    op.create_check_constraint("ck_notice_occasion", "notice", "occasion IN ('firing', 'resolved')")

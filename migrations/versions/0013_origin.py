"""answers that the model on the device gave, and events that wait for them

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ANSWERS = ("draft", "suggestion")
SUMS = ("daily_item", "daily_offer", "daily_tag", "monthly_tag", "daily_draft", "daily_latency")
KINDS = ("viewed", "accepted", "removed", "dismissed", "restored", "posted")

# As in 0006, with one more table of numbered events.
PRECEDES_OLD = """
CREATE OR REPLACE FUNCTION precedes_old(install uuid, number bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT {conditions}
$$;
"""
NOTE_DAYS_OF_NUMBERS = """
CREATE OR REPLACE FUNCTION note_days_of_numbers(installs uuid[], numbers bigint[]) RETURNS void LANGUAGE sql AS $$
    SELECT note_days(ARRAY(
        SELECT DISTINCT day_of(came)
        FROM unnest(installs, numbers) AS told (install, number), LATERAL (
            {receipts}
        ) AS near (came)))
$$;
"""
EXISTS_LATER = """EXISTS (SELECT FROM {table}
            WHERE install_id = install AND sequence >= number AND received_at < first_live_moment())"""
RECEIPTS = """SELECT received_at FROM {table} WHERE install_id = install AND sequence = number
            UNION ALL (SELECT received_at FROM {table} WHERE install_id = install AND sequence > number
                ORDER BY sequence, received_at LIMIT 1)"""


def replace_functions(*tables: str) -> None:
    conditions = "\n        OR ".join(EXISTS_LATER.format(table=table) for table in tables)
    receipts = "\n            UNION ALL ".join(RECEIPTS.format(table=table) for table in tables)
    op.execute(PRECEDES_OLD.format(conditions=conditions))
    op.execute(NOTE_DAYS_OF_NUMBERS.format(receipts=receipts))


def replace_kinds(kinds: tuple[str, ...]) -> None:
    # Not validated: that would read every event while the table is locked, and the old ones are of the old kinds.
    op.execute("ALTER TABLE event DROP CONSTRAINT ck_event_kind")
    names = ", ".join(f"'{kind}'" for kind in kinds)
    op.execute(f"ALTER TABLE event ADD CONSTRAINT ck_event_kind CHECK (kind IN ({names})) NOT VALID")


def upgrade() -> None:
    # With a constant as their default, so that no row is written anew: all that was before came from the service.
    for table in (*ANSWERS, *SUMS):
        op.add_column(table, sa.Column("origin", sa.Text(), nullable=False, server_default="service"))
    for table in ANSWERS:
        op.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_origin CHECK (origin IN ('service', 'device')) NOT VALID"
        )
    replace_kinds((*KINDS, "suggested"))
    op.create_table(
        "waiting_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("install_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("draft_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiting_event")),
    )
    op.create_index(op.f("ix_waiting_event_draft_id"), "waiting_event", ["draft_id"])
    op.create_index("ix_waiting_event_install_id_sequence", "waiting_event", ["install_id", "sequence", "received_at"])
    op.create_index("ix_waiting_event_received_at", "waiting_event", ["received_at"])
    op.create_table(
        "device_version",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("sites", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("tags", sa.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_device_version")),
    )
    replace_functions("event", "refused", "waiting_event")
    for name, when, rows in (("new", "INSERT", "NEW"), ("old", "DELETE", "OLD")):
        op.execute(
            f"CREATE TRIGGER note_{name}_waiting AFTER {when} ON waiting_event REFERENCING {rows} TABLE AS told "
            "FOR EACH STATEMENT EXECUTE FUNCTION note_changed_refusals()"
        )


def downgrade() -> None:
    replace_functions("event", "refused")
    op.drop_table("device_version")
    op.drop_table("waiting_event")
    # An older version knows neither these events nor their origin: what a device suggested stays, as an answer.
    op.execute("DELETE FROM event WHERE kind = 'suggested'")
    replace_kinds(KINDS)
    for table in ANSWERS:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_origin")
    for table in (*ANSWERS, *SUMS):
        op.drop_column(table, "origin")

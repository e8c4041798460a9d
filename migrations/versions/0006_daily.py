"""daily sums, and raw events that are kept 400 days

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEYS = ("kind", "model_version", "site")
OF_ITEMS = ("viewed", "accepted", "dismissed", "posted_viewed", "kept", "agreed")
OF_TAGS = ("offered_tags", "posted_tags", "matched_tags", "missed_tags")
OF_DRAFTS = (
    *("viewed_drafts", "helped_drafts", "answered", "covered", "posted", *OF_TAGS),
    *("precision_n", "precision_sum", "precision_squares", "recall_n", "recall_sum", "recall_squares"),
    *("union_n", "f1_sum", "f1_squares", "jaccard_sum", "jaccard_squares", "exact", "one_found", "all_found"),
)

# What notes the days that a transaction changes. A draft counts for the days of its start, its posting and every view
# in it; an event for the day it came, and for that of the event with the next number, before which it was missing.
# Items and posts change with their events only, in the same transaction, and a draft with its suggestions and events.
# Nothing is noted of today, nor of yesterday in the first hour, which no sums hold (see backend/acceptance/sums.py): of
# a draft begun since then nothing is older, so that one look at it is all that most transactions pay. Forgetting what
# is old leaves the sums as they are: then tagalong.forgetting is on.
FUNCTIONS = (
    """
CREATE FUNCTION day_of(moment timestamptz) RETURNS date LANGUAGE sql IMMUTABLE
    RETURN (moment AT TIME ZONE 'UTC')::date;
""",
    """
CREATE FUNCTION first_live_moment() RETURNS timestamptz LANGUAGE sql STABLE
    RETURN CASE WHEN coalesce(current_setting('tagalong.forgetting', true), '') = 'on' THEN '-infinity'::timestamptz
        ELSE date_trunc('day', now() - interval '1 hour', 'UTC') END;
""",
    """
CREATE FUNCTION note_days(days date[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO changed_day (day) SELECT DISTINCT day FROM unnest(days) AS day WHERE day < day_of(first_live_moment())
$$;
""",
    """
CREATE FUNCTION note_days_of_drafts(drafts uuid[]) RETURNS void LANGUAGE sql AS $$
    SELECT note_days(ARRAY(
        SELECT day_of(moment) FROM draft, unnest(ARRAY[started_at, posted_at]) AS moment WHERE id = ANY (drafts)
        UNION SELECT day_of(viewed_at) FROM item WHERE draft_id = ANY (drafts)))
$$;
""",
    """
CREATE FUNCTION precedes_old(install uuid, number bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM event
            WHERE install_id = install AND sequence >= number AND received_at < first_live_moment())
        OR EXISTS (SELECT FROM refused
            WHERE install_id = install AND sequence >= number AND received_at < first_live_moment())
$$;
""",
    """
CREATE FUNCTION note_days_of_numbers(installs uuid[], numbers bigint[]) RETURNS void LANGUAGE sql AS $$
    SELECT note_days(ARRAY(
        SELECT DISTINCT day_of(came)
        FROM unnest(installs, numbers) AS told (install, number), LATERAL (
            SELECT received_at FROM event WHERE install_id = install AND sequence = number
            UNION ALL SELECT received_at FROM refused WHERE install_id = install AND sequence = number
            UNION ALL (SELECT received_at FROM event WHERE install_id = install AND sequence > number
                ORDER BY sequence, received_at LIMIT 1)
            UNION ALL (SELECT received_at FROM refused WHERE install_id = install AND sequence > number
                ORDER BY sequence, received_at LIMIT 1)
        ) AS near (came)))
$$;
""",
    """
CREATE FUNCTION note_changed_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM told JOIN draft ON draft.id = draft_id WHERE started_at < first_live_moment())
        OR EXISTS (
            SELECT FROM (SELECT install_id, min(sequence) AS number FROM told GROUP BY install_id) AS first
            WHERE precedes_old(install_id, number))
    THEN
        PERFORM note_days(ARRAY(SELECT day_of(at) FROM told UNION SELECT day_of(received_at) FROM told));
        PERFORM note_days_of_drafts(ARRAY(SELECT DISTINCT draft_id FROM told));
        PERFORM note_days_of_numbers(array_agg(install_id), array_agg(sequence)) FROM told;
    END IF;
    RETURN NULL;
END $$;
""",
    """
CREATE FUNCTION note_changed_refusals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM note_days(ARRAY(SELECT DISTINCT day_of(received_at) FROM told));
    PERFORM note_days_of_numbers(array_agg(install_id), array_agg(sequence)) FROM told;
    RETURN NULL;
END $$;
""",
    """
CREATE FUNCTION note_changed_suggestion() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    of_draft uuid := CASE TG_OP WHEN 'INSERT' THEN NEW.draft_id ELSE OLD.draft_id END;
BEGIN
    IF EXISTS (SELECT FROM draft WHERE id = of_draft AND started_at < first_live_moment()) THEN
        PERFORM note_days_of_drafts(ARRAY[of_draft]);
    END IF;
    RETURN NULL;
END $$;
""",
    # Events of demo traffic are counted apart, and known by their install.
    """
CREATE FUNCTION note_changed_demo() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    of_draft draft := CASE TG_OP WHEN 'INSERT' THEN NEW ELSE OLD END;
BEGIN
    IF NOT EXISTS (SELECT FROM draft
        WHERE kind = 'demo' AND install_id = of_draft.install_id AND id <> of_draft.id)
    THEN
        PERFORM note_days(ARRAY(
            SELECT day_of(received_at) FROM event WHERE install_id = of_draft.install_id
            UNION SELECT day_of(received_at) FROM refused WHERE install_id = of_draft.install_id));
    END IF;
    RETURN NULL;
END $$;
""",
)

NAMES = (
    *("note_changed_demo()", "note_changed_suggestion()", "note_changed_refusals()", "note_changed_events()"),
    *("note_days_of_numbers(uuid[], bigint[])", "precedes_old(uuid, bigint)", "note_days_of_drafts(uuid[])"),
    *("note_days(date[])", "first_live_moment()", "day_of(timestamptz)"),
)

# What updates events (an erasure, a number that settles) changes no count.
TRIGGERS = {
    "note_new_events": "AFTER INSERT ON event REFERENCING NEW TABLE AS told FOR EACH STATEMENT",
    "note_old_events": "AFTER DELETE ON event REFERENCING OLD TABLE AS told FOR EACH STATEMENT",
    "note_new_refusals": "AFTER INSERT ON refused REFERENCING NEW TABLE AS told FOR EACH STATEMENT",
    "note_old_refusals": "AFTER DELETE ON refused REFERENCING OLD TABLE AS told FOR EACH STATEMENT",
    "note_suggestion": "AFTER INSERT OR DELETE ON suggestion FOR EACH ROW",
    "note_new_demo": "AFTER INSERT ON draft FOR EACH ROW WHEN (NEW.kind = 'demo')",
    "note_old_demo": "AFTER DELETE ON draft FOR EACH ROW WHEN (OLD.kind = 'demo')",
}
CALLED = {
    "events": "note_changed_events",
    "refusals": "note_changed_refusals",
    "suggestion": "note_changed_suggestion",
    "demo": "note_changed_demo",
}


def keys(*more: sa.Column) -> tuple[sa.Column, ...]:
    return (*(sa.Column(name, sa.Text(), nullable=False) for name in KEYS), *more)


def counts(*names: str) -> tuple[sa.Column, ...]:
    floats = ("_sum", "_squares")
    return tuple(
        sa.Column(name, sa.Float(53) if name.endswith(floats) else sa.Integer(), nullable=False) for name in names
    )


def daily(name: str, *columns: sa.Column) -> None:
    op.create_table(name, sa.Column("day", sa.Date(), nullable=False), *columns)
    op.create_index(op.f(f"ix_{name}_day"), name, ["day"])


def upgrade() -> None:
    position = sa.Column("position", sa.SmallInteger(), nullable=True)
    length = sa.Column("length", sa.SmallInteger(), nullable=False)
    score = sa.Column("score", sa.SmallInteger(), nullable=False)
    order = sa.Column("order", sa.Text(), nullable=False)
    daily("daily_item", *keys(position, order), *counts(*OF_ITEMS, "impossible"))
    daily("daily_offer", *keys(length, score), *counts(*OF_ITEMS, "score_sum"))
    daily("daily_tag", *keys(sa.Column("tag", sa.Text(), nullable=False)), *counts(*OF_ITEMS, *OF_TAGS))
    op.create_index("ix_daily_tag_missed", "daily_tag", ["tag", "day"], postgresql_where=sa.text("missed_tags > 0"))
    month = sa.Column("month", sa.Date(), nullable=False)
    tag = sa.Column("tag", sa.Text(), nullable=False)
    op.create_table("monthly_tag", month, *keys(tag), *counts(*OF_ITEMS, *OF_TAGS))
    op.create_index(op.f("ix_monthly_tag_month"), "monthly_tag", ["month"])
    op.create_table(
        "missed_tag",
        sa.Column("tag", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tag", name=op.f("pk_missed_tag")),
    )
    daily("daily_draft", *keys(), *counts(*OF_DRAFTS))
    daily("daily_latency", *keys(sa.Column("milliseconds", sa.Integer(), nullable=False)), *counts("n"))
    daily(
        "daily_event",
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        *counts("received", "lost", "refused"),
    )
    op.create_table(
        "summed_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("summed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_summed_day")),
    )
    op.create_table(
        "changed_day",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changed_day")),
    )
    op.create_table(
        "numbering",
        sa.Column("install_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("install_id", name=op.f("pk_numbering")),
    )
    op.create_index("ix_event_received_at", "event", ["received_at"])
    # Else each suggestion that goes would have every event and item read for its foreign keys.
    op.create_index(op.f("ix_event_suggestion_id"), "event", ["suggestion_id"])
    op.create_index(op.f("ix_item_suggestion_id"), "item", ["suggestion_id"])
    op.create_index("ix_refused_received_at", "refused", ["received_at"])
    op.create_index("ix_draft_demo", "draft", ["install_id"], postgresql_where=sa.text("kind = 'demo'"))
    for function in FUNCTIONS:
        op.execute(function)
    for name, when in TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {CALLED[name.rpartition('_')[2]]}()")


def downgrade() -> None:
    for name, when in TRIGGERS.items():
        op.execute(f"DROP TRIGGER {name} ON {when.split(' ON ')[1].split()[0]}")
    for name in NAMES:
        op.execute(f"DROP FUNCTION {name}")
    op.drop_index("ix_draft_demo", table_name="draft")
    op.drop_index("ix_refused_received_at", table_name="refused")
    op.drop_index(op.f("ix_item_suggestion_id"), table_name="item")
    op.drop_index(op.f("ix_event_suggestion_id"), table_name="event")
    op.drop_index("ix_event_received_at", table_name="event")
    for table in (
        *("numbering", "changed_day", "summed_day", "daily_event", "daily_latency", "daily_draft", "daily_tag"),
        *("missed_tag", "monthly_tag", "daily_offer", "daily_item"),
    ):
        op.drop_table(table)

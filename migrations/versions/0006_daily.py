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

# Functions that note which days a statement changes. Draft, suggestions and items of a draft count for the days of its
# start and posting and of every view in it; an event for the day it came, and the next number's event for what was
# missing before it. Nothing is noted of today, nor of yesterday in the first hour, which no sums hold (see
# backend/acceptance/sums.py): a draft begun since then needs no closer look, as all of it is younger. Forgetting what
# is old leaves the sums as they are: then tagalong.forgetting is on.
FUNCTIONS = (
    """
CREATE FUNCTION day_of(moment timestamptz) RETURNS date LANGUAGE sql IMMUTABLE
    RETURN (moment AT TIME ZONE 'UTC')::date;
""",
    """
CREATE FUNCTION first_live_day() RETURNS date LANGUAGE sql STABLE
    RETURN CASE WHEN coalesce(current_setting('tagalong.forgetting', true), '') = 'on' THEN '-infinity'::date
        ELSE day_of(now() - interval '1 hour') END;
""",
    """
CREATE FUNCTION note_days(days date[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO changed_day (day) SELECT DISTINCT day FROM unnest(days) AS day WHERE day < first_live_day()
$$;
""",
    """
CREATE FUNCTION note_days_of_drafts(drafts uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    old uuid[] := ARRAY(SELECT id FROM draft WHERE id = ANY (drafts) AND started_at < first_live_day());
BEGIN
    IF cardinality(old) > 0 THEN
        PERFORM note_days(ARRAY(
            SELECT day_of(moment) FROM draft, unnest(ARRAY[started_at, posted_at]) AS moment WHERE id = ANY (old)
            UNION SELECT day_of(viewed_at) FROM item WHERE draft_id = ANY (old)
        ));
    END IF;
END $$;
""",
    """
CREATE FUNCTION note_days_of_numbers(installs uuid[], numbers bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    first date := first_live_day();
BEGIN
    IF EXISTS (
        SELECT FROM unnest(installs, numbers) AS told (install, number)
        WHERE EXISTS (SELECT FROM event
            WHERE install_id = install AND sequence >= number AND received_at < first)
        OR EXISTS (SELECT FROM refused
            WHERE install_id = install AND sequence >= number AND received_at < first)
    ) THEN
        PERFORM note_days(ARRAY(
            SELECT DISTINCT day_of(came)
            FROM unnest(installs, numbers) AS told (install, number), LATERAL (
                SELECT received_at FROM event WHERE install_id = install AND sequence = number
                UNION ALL SELECT received_at FROM refused WHERE install_id = install AND sequence = number
                UNION ALL (SELECT received_at FROM event WHERE install_id = install AND sequence > number
                    ORDER BY sequence, received_at LIMIT 1)
                UNION ALL (SELECT received_at FROM refused WHERE install_id = install AND sequence > number
                    ORDER BY sequence, received_at LIMIT 1)
            ) AS near (came)
        ));
    END IF;
END $$;
""",
    """
CREATE FUNCTION note_changed_items() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM note_days_of_drafts(ARRAY(SELECT draft_id FROM new_rows));
    ELSE
        PERFORM note_days(ARRAY(SELECT DISTINCT day_of(viewed_at) FROM old_rows));
        PERFORM note_days_of_drafts(ARRAY(SELECT draft_id FROM old_rows));
    END IF;
    RETURN NULL;
END $$;
""",
    """
CREATE FUNCTION note_changed_suggestions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM note_days_of_drafts(ARRAY(SELECT draft_id FROM new_rows));
    ELSE
        PERFORM note_days_of_drafts(ARRAY(SELECT draft_id FROM old_rows));
    END IF;
    RETURN NULL;
END $$;
""",
    """
CREATE FUNCTION note_changed_drafts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    demo uuid[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        -- A draft counts from its first suggestion on, which notes it.
        demo := ARRAY(SELECT install_id FROM new_rows WHERE kind = 'demo');
    ELSIF TG_OP = 'DELETE' THEN
        demo := ARRAY(SELECT install_id FROM old_rows WHERE kind = 'demo');
        PERFORM note_days(ARRAY(
            SELECT day_of(moment) FROM old_rows, unnest(ARRAY[started_at, posted_at]) AS moment));
    ELSE
        PERFORM note_days(ARRAY(
            SELECT day_of(moment)
            FROM (
                SELECT id, kind, site, model_version, started_at, posted_at, posted_tags FROM old_rows
                EXCEPT SELECT id, kind, site, model_version, started_at, posted_at, posted_tags FROM new_rows
            ) AS changed, unnest(ARRAY[started_at, posted_at]) AS moment));
        PERFORM note_days_of_drafts(ARRAY(SELECT id FROM (
            SELECT id, kind, site, model_version, started_at, posted_at, posted_tags FROM new_rows
            EXCEPT SELECT id, kind, site, model_version, started_at, posted_at, posted_tags FROM old_rows
        ) AS changed));
    END IF;
    -- Events of demo traffic are counted apart, and known by their install.
    IF cardinality(demo) > 0 THEN
        PERFORM note_days(ARRAY(
            SELECT day_of(received_at) FROM event WHERE install_id = ANY (demo)
            UNION SELECT day_of(received_at) FROM refused WHERE install_id = ANY (demo)));
    END IF;
    RETURN NULL;
END $$;
""",
    """
CREATE FUNCTION note_changed_events() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    installs uuid[];
    numbers bigint[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(install_id), array_agg(sequence) INTO installs, numbers FROM new_rows;
    ELSE
        SELECT array_agg(install_id), array_agg(sequence) INTO installs, numbers FROM old_rows;
        PERFORM note_days(ARRAY(SELECT DISTINCT day_of(received_at) FROM old_rows));
    END IF;
    PERFORM note_days_of_numbers(installs, numbers);
    RETURN NULL;
END $$;
""",
)

NAMES = (
    *("note_changed_items()", "note_changed_suggestions()", "note_changed_drafts()", "note_changed_events()"),
    *("note_days_of_numbers(uuid[], bigint[])", "note_days_of_drafts(uuid[])", "note_days(date[])"),
    *("first_live_day()", "day_of(timestamptz)"),
)

# Events and refusals are append-only: what updates them (an erasure, a number that settles) changes no count.
TRIGGERS = {
    "item": ("note_changed_items", ("INSERT", "UPDATE", "DELETE")),
    "suggestion": ("note_changed_suggestions", ("INSERT", "DELETE")),
    "draft": ("note_changed_drafts", ("INSERT", "UPDATE", "DELETE")),
    "event": ("note_changed_events", ("INSERT", "DELETE")),
    "refused": ("note_changed_events", ("INSERT", "DELETE")),
}

ROWS = {
    "INSERT": "NEW TABLE AS new_rows",
    "UPDATE": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "OLD TABLE AS old_rows",
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
    tag = sa.Column("tag", sa.Text(), nullable=False)
    daily("daily_tag", *keys(tag), *counts(*OF_ITEMS, *OF_TAGS))
    op.create_index("ix_daily_tag_missed", "daily_tag", ["tag", "day"], postgresql_where=sa.text("missed_tags > 0"))
    month = sa.Column("month", sa.Date(), nullable=False)
    op.create_table("monthly_tag", month, *keys(tag.copy()), *counts(*OF_ITEMS, *OF_TAGS))
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
    for table, (function, acts) in TRIGGERS.items():
        for act in acts:
            op.execute(
                f"CREATE TRIGGER {function}_{act.lower()} AFTER {act} ON {table} REFERENCING {ROWS[act]} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
            )


def downgrade() -> None:
    for table, (function, acts) in TRIGGERS.items():
        for act in acts:
            op.execute(f"DROP TRIGGER {function}_{act.lower()} ON {table}")
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

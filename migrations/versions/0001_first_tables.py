"""first tables

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "draft",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("install_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("page", sa.Text(), nullable=True),
        sa.Column("extension_version", sa.Text(), nullable=True),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("posted_tags", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("question_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('ask', 'edit', 'try', 'demo')", name=op.f("ck_draft_kind")),
        sa.CheckConstraint("(posted_at IS NULL) = (posted_tags IS NULL)", name=op.f("ck_draft_posted")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draft")),
    )
    op.create_index(op.f("ix_draft_install_id"), "draft", ["install_id"], unique=False)
    op.create_index(
        "ix_draft_posted_at", "draft", ["posted_at"], unique=False, postgresql_where=sa.text("posted_at IS NOT NULL")
    )
    op.create_index(op.f("ix_draft_site"), "draft", ["site"], unique=False)
    op.create_index(op.f("ix_draft_started_at"), "draft", ["started_at"], unique=False)
    op.create_table(
        "feedback",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("question_id", sa.BigInteger(), nullable=False),
        sa.Column("posted_tags", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("offered_tags", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "question_id", name=op.f("pk_feedback")),
    )
    op.create_table(
        "refused",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("install_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refused")),
    )
    op.create_index(
        "ix_refused_install_id_sequence", "refused", ["install_id", "sequence", "received_at"], unique=False
    )
    op.create_table(
        "total",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "name", name=op.f("pk_total")),
    )
    op.create_table(
        "suggestion",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("draft_id", sa.Uuid(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("latency_ms", sa.REAL(), nullable=False),
        sa.Column("title_chars", sa.Integer(), nullable=False),
        sa.Column("body_chars", sa.Integer(), nullable=False),
        sa.Column("chosen_tags", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("tags", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("scores", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("confident", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("cardinality(tags) = cardinality(scores)", name=op.f("ck_suggestion_one_score_a_tag")),
        sa.CheckConstraint("confident BETWEEN 0 AND cardinality(tags)", name=op.f("ck_suggestion_confident")),
        sa.ForeignKeyConstraint(["draft_id"], ["draft.id"], name=op.f("fk_suggestion_draft_id_draft")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suggestion")),
    )
    op.create_index(op.f("ix_suggestion_draft_id"), "suggestion", ["draft_id"], unique=False)
    op.create_index(op.f("ix_suggestion_model_version"), "suggestion", ["model_version"], unique=False)
    op.create_table(
        "event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("install_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("draft_id", sa.Uuid(), nullable=False),
        sa.Column("suggestion_id", sa.Uuid(), nullable=True),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("position", sa.SmallInteger(), nullable=True),
        sa.Column("tags", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("question_id", sa.BigInteger(), nullable=True),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('viewed', 'accepted', 'removed', 'dismissed', 'restored', 'posted')", name=op.f("ck_event_kind")
        ),
        sa.ForeignKeyConstraint(["draft_id"], ["draft.id"], name=op.f("fk_event_draft_id_draft")),
        sa.ForeignKeyConstraint(["suggestion_id"], ["suggestion.id"], name=op.f("fk_event_suggestion_id_suggestion")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_index("ix_event_draft_id_tag", "event", ["draft_id", "tag"], unique=False)
    op.create_index("ix_event_install_id_sequence", "event", ["install_id", "sequence", "received_at"], unique=False)
    op.create_table(
        "item",
        sa.Column("draft_id", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("suggestion_id", sa.Uuid(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("score", sa.REAL(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=True),
        sa.Column("viewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("impossible", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["draft_id"], ["draft.id"], name=op.f("fk_item_draft_id_draft")),
        sa.ForeignKeyConstraint(["suggestion_id"], ["suggestion.id"], name=op.f("fk_item_suggestion_id_suggestion")),
        sa.PrimaryKeyConstraint("draft_id", "tag", name=op.f("pk_item")),
    )
    op.create_index("ix_item_viewed_at", "item", ["viewed_at"], unique=False)


def downgrade() -> None:

    op.drop_index("ix_item_viewed_at", table_name="item")
    op.drop_table("item")
    op.drop_index("ix_event_install_id_sequence", table_name="event")
    op.drop_index("ix_event_draft_id_tag", table_name="event")
    op.drop_table("event")
    op.drop_index(op.f("ix_suggestion_model_version"), table_name="suggestion")
    op.drop_index(op.f("ix_suggestion_draft_id"), table_name="suggestion")
    op.drop_table("suggestion")
    op.drop_table("total")
    op.drop_index("ix_refused_install_id_sequence", table_name="refused")
    op.drop_table("refused")
    op.drop_table("feedback")
    op.drop_index(op.f("ix_draft_started_at"), table_name="draft")
    op.drop_index(op.f("ix_draft_site"), table_name="draft")
    op.drop_index("ix_draft_posted_at", table_name="draft", postgresql_where=sa.text("posted_at IS NOT NULL"))
    op.drop_index(op.f("ix_draft_install_id"), table_name="draft")
    op.drop_table("draft")

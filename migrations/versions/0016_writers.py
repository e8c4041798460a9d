"""daily sums by install, and the sums over installs that outlive them

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

KEYS = ("kind", "model_version", "site")
ITEM_COUNTS = ("accepted", "viewed", "dismissed", "kept", "posted_viewed", "agreed")
DRAFT_COUNTS = (
    *("helped_drafts", "viewed_drafts", "covered", "answered", "missed_tags", "posted_tags"),
    *("precision_sum", "precision_n", "recall_sum", "recall_n", "one_found", "all_found"),
    *("f1_sum", "union_n", "jaccard_sum", "exact"),
)


def upgrade() -> None:
    op.create_table(
        "daily_install",
        sa.Column("day", sa.Date(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in KEYS),
        sa.Column("origin", sa.Text(), server_default="service", nullable=False),
        sa.Column("install_id", sa.Uuid(), nullable=False),
        *(
            sa.Column(name, sa.Float(53) if name.endswith("_sum") else sa.Integer(), nullable=False)
            for name in (*ITEM_COUNTS, *DRAFT_COUNTS)
        ),
    )
    for name in ("day", "install_id"):
        op.create_index(op.f(f"ix_daily_install_{name}"), "daily_install", [name])
    for table, unit in (("daily_writers", "day"), ("monthly_writers", "month")):
        op.create_table(
            table,
            sa.Column(unit, sa.Date(), nullable=False),
            sa.Column("kind", sa.Text(), nullable=False),
            *(sa.Column(name, sa.Text(), nullable=True) for name in ("model_version", "site", "origin")),
            sa.Column("sums", JSONB(), nullable=False),
        )
        op.create_index(op.f(f"ix_{table}_{unit}"), table, [unit])
    # Days that were rolled up before are rolled up again in the background; final ones stay without.
    op.add_column("summed_day", sa.Column("by_install", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("summed_day", "by_install")
    for table in ("monthly_writers", "daily_writers", "daily_install"):
        op.drop_table(table)

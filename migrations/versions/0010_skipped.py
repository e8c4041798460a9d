"""work that was left out, and losses beyond what an integer holds

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COUNTS = ("received", "lost", "refused")


def upgrade() -> None:
    op.create_table(
        "skipped",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job", "subject", name=op.f("pk_skipped")),
    )
    for count in COUNTS:
        op.alter_column("daily_event", count, type_=sa.BigInteger(), existing_nullable=False)


def downgrade() -> None:
    for count in COUNTS:
        op.alter_column("daily_event", count, type_=sa.Integer(), existing_nullable=False)
    op.drop_table("skipped")

"""how much of what is recorded comes from one address

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "address_salt",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_address_salt")),
    )
    op.create_table(
        "newcomer",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("crowd", sa.Uuid(), nullable=False),
        sa.Column("installs", sa.Integer(), nullable=False),
        sa.Column("drafts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "address", name=op.f("pk_newcomer")),
    )
    op.add_column("assignment", sa.Column("crowd", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("assignment", "crowd")
    op.drop_table("newcomer")
    op.drop_table("address_salt")

"""the month in which a question was posted, for what training again needs

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feedback", sa.Column("month", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("feedback", "month")

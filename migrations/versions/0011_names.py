"""the names that tags count as, beside the tags

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Null says that tags count as themselves: so do all that came before, and no row need be written anew.
COLUMNS = {"suggestion": "names", "event": "names", "draft": "posted_names"}


def upgrade() -> None:
    for table, column in COLUMNS.items():
        op.add_column(table, sa.Column(column, sa.ARRAY(sa.Text()), nullable=True))


def downgrade() -> None:
    for table, column in COLUMNS.items():
        op.drop_column(table, column)

"""phases of constant share, and how long an experiment lasts at least

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# What is known of experiments from before: each step of a share is in the audit log.
PAST_PHASES = """
INSERT INTO phase (deployment_id, started_at, share)
SELECT deployment.id, audit.at, (audit.details ->> 'share')::float
FROM audit JOIN deployment ON deployment.id = (audit.details ->> 'deployment')::uuid
WHERE audit.act IN ('deploy', 'change share') AND deployment.role = 'challenger'
ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    op.create_table(
        "phase",
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name=op.f("fk_phase_deployment_id_deployment")),
        sa.PrimaryKeyConstraint("deployment_id", "started_at", name=op.f("pk_phase")),
    )
    op.execute(PAST_PHASES)
    op.add_column("deployment", sa.Column("min_weeks", sa.Integer(), nullable=True))
    op.add_column("standing", sa.Column("visible_loss", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("standing", "visible_loss")
    op.drop_column("deployment", "min_weeks")
    op.drop_table("phase")

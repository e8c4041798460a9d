"""what an experiment found, and chips in random order

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "verdict",
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("installs", sa.Integer(), nullable=False),
        sa.Column("difference", sa.Float(), nullable=True),
        sa.Column("low", sa.Float(), nullable=True),
        sa.Column("high", sa.Float(), nullable=True),
        sa.Column("figures", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("word IN ('better', 'worse', 'no difference shown')", name=op.f("ck_verdict_word")),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name=op.f("fk_verdict_deployment_id_deployment")),
        sa.PrimaryKeyConstraint("deployment_id", name=op.f("pk_verdict")),
    )
    op.create_table(
        "standing",
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("champion_installs", sa.Integer(), nullable=False),
        sa.Column("challenger_installs", sa.Integer(), nullable=False),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("sample_ratio", sa.Float(), nullable=True),
        sa.Column("figures", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployment.id"], name=op.f("fk_standing_deployment_id_deployment")
        ),
        sa.PrimaryKeyConstraint("deployment_id", name=op.f("pk_standing")),
    )
    op.create_table(
        "guardrail",
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("champion", sa.Float(), nullable=True),
        sa.Column("challenger", sa.Float(), nullable=True),
        sa.Column("breached", sa.Boolean(), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployment.id"], name=op.f("fk_guardrail_deployment_id_deployment")
        ),
        sa.PrimaryKeyConstraint("deployment_id", "name", name=op.f("pk_guardrail")),
    )
    op.add_column("suggestion", sa.Column("order", sa.Text(), server_default="model", nullable=False))
    op.create_check_constraint(op.f("ck_suggestion_order"), "suggestion", "\"order\" IN ('model', 'random')")


def downgrade() -> None:
    op.drop_column("suggestion", "order")
    op.drop_table("guardrail")
    op.drop_table("standing")
    op.drop_table("verdict")

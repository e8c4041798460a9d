"""model versions, deployments, who is in which arm, and answers in the shadow

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_version",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("first_deployed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("about", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_model_version")),
        sa.UniqueConstraint("number", name=op.f("uq_model_version_number")),
    )
    op.create_table(
        "deployment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("salt", sa.Text(), nullable=False),
        sa.Column("horizon", sa.Integer(), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("smallest_difference", sa.Float(), nullable=True),
        sa.Column("promote_if_better", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_because", sa.Text(), nullable=True),
        sa.Column("replaces", sa.Uuid(), nullable=True),
        sa.CheckConstraint("role IN ('champion', 'challenger', 'shadow')", name=op.f("ck_deployment_role")),
        sa.CheckConstraint("share BETWEEN 0 AND 1", name=op.f("ck_deployment_share")),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name=op.f("ck_deployment_ended")),
        sa.ForeignKeyConstraint(
            ["model_version"], ["model_version.version"], name=op.f("fk_deployment_model_version_model_version")
        ),
        sa.ForeignKeyConstraint(["replaces"], ["deployment.id"], name=op.f("fk_deployment_replaces_deployment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployment")),
    )
    op.create_index(
        "ix_deployment_current", "deployment", ["role"], unique=True, postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_table(
        "assignment",
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("install_id", sa.Uuid(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("first_exposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("arm IN ('champion', 'challenger')", name=op.f("ck_assignment_arm")),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployment.id"], name=op.f("fk_assignment_deployment_id_deployment")
        ),
        sa.PrimaryKeyConstraint("deployment_id", "install_id", name=op.f("pk_assignment")),
    )
    op.create_index(op.f("ix_assignment_install_id"), "assignment", ["install_id"], unique=False)
    op.create_table(
        "failure",
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name=op.f("fk_failure_deployment_id_deployment")),
        sa.PrimaryKeyConstraint("deployment_id", "minute", name=op.f("pk_failure")),
    )
    op.create_table(
        "shadow",
        sa.Column("suggestion_id", sa.Uuid(), nullable=False),
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("tags", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("scores", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("confident", sa.SmallInteger(), nullable=False),
        sa.Column("latency_ms", sa.REAL(), nullable=False),
        sa.ForeignKeyConstraint(
            ["suggestion_id"], ["suggestion.id"], name=op.f("fk_shadow_suggestion_id_suggestion"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name=op.f("fk_shadow_deployment_id_deployment")),
        sa.PrimaryKeyConstraint("suggestion_id", "deployment_id", name=op.f("pk_shadow")),
    )
    op.create_index("ix_shadow_deployment_id", "shadow", ["deployment_id"], unique=False)
    op.create_table(
        "replica",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("champion", sa.Text(), nullable=False),
        sa.Column("loaded", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("problems", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replica")),
    )
    for table in ("draft", "suggestion"):
        op.add_column(table, sa.Column("deployment_id", sa.Uuid(), nullable=True))
        op.create_foreign_key(
            op.f(f"fk_{table}_deployment_id_deployment"), table, "deployment", ["deployment_id"], ["id"]
        )
    in_deployment = sa.text("deployment_id IS NOT NULL")
    op.create_index("ix_draft_deployment_id", "draft", ["deployment_id"], postgresql_where=in_deployment)
    op.create_index(
        "ix_suggestion_deployment_id", "suggestion", ["deployment_id", "created_at"], postgresql_where=in_deployment
    )


def downgrade() -> None:
    for table in ("suggestion", "draft"):
        op.drop_index(f"ix_{table}_deployment_id", table_name=table)
        op.drop_column(table, "deployment_id")
    for table in ("replica", "shadow", "failure", "assignment", "deployment", "model_version"):
        op.drop_table(table)

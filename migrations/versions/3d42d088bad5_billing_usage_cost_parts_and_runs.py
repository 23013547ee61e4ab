"""billing usage cost parts and runs

Revision ID: 3d42d088bad5
Revises: c4258bd9b0a4

"""

import sqlalchemy as sa
from alembic import op

revision = "3d42d088bad5"
down_revision = "c4258bd9b0a4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("billing_usage_event", schema=None) as batch_op:
        batch_op.add_column(sa.Column("cost_saved", sa.BigInteger(), nullable=True))
        batch_op.create_index(
            batch_op.f("ix_billing_usage_event_customer_id_run"),
            ["customer_id", "run"],
            unique=False,
            sqlite_where=sa.text("run IS NOT NULL"),
            postgresql_where=sa.text("run IS NOT NULL"),
        )

    with op.batch_alter_table("billing_usage_rollup", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("cost_prompt", sa.BigInteger(), server_default="0", nullable=False)
        )
        batch_op.add_column(
            sa.Column("cost_completion", sa.BigInteger(), server_default="0", nullable=False)
        )
        batch_op.add_column(
            sa.Column("cost_cached", sa.BigInteger(), server_default="0", nullable=False)
        )
        batch_op.add_column(
            sa.Column("cost_saved", sa.BigInteger(), server_default="0", nullable=False)
        )


def downgrade() -> None:
    with op.batch_alter_table("billing_usage_rollup", schema=None) as batch_op:
        batch_op.drop_column("cost_saved")
        batch_op.drop_column("cost_cached")
        batch_op.drop_column("cost_completion")
        batch_op.drop_column("cost_prompt")

    with op.batch_alter_table("billing_usage_event", schema=None) as batch_op:
        batch_op.drop_index(
            batch_op.f("ix_billing_usage_event_customer_id_run"),
            sqlite_where=sa.text("run IS NOT NULL"),
            postgresql_where=sa.text("run IS NOT NULL"),
        )
        batch_op.drop_column("cost_saved")

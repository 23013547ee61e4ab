"""billing what was shown with a change

Revision ID: 5b0f6ad2c9e1
Revises: ff83cfde8a74

"""

import sqlalchemy as sa
from alembic import op

revision = "5b0f6ad2c9e1"
down_revision = "ff83cfde8a74"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("billing_subscription_change", schema=None) as batch_op:
        batch_op.add_column(sa.Column("shown", sa.Text()))


def downgrade() -> None:
    with op.batch_alter_table("billing_subscription_change", schema=None) as batch_op:
        batch_op.drop_column("shown")

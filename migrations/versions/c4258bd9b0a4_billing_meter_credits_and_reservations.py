"""billing Meter credits and reservations

Revision ID: c4258bd9b0a4
Revises: 7c1d90b6e2f4

"""

import sqlalchemy as sa
from alembic import op

revision = "c4258bd9b0a4"
down_revision = "7c1d90b6e2f4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "billing_credit_use",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("grant_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("meter", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["billing_customer.id"], name=op.f("fk_billing_credit_use_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["billing_credit_grant.id"], name=op.f("fk_billing_credit_use_grant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_credit_use")),
        sa.UniqueConstraint(
            "grant_id",
            "idempotency_key",
            name=op.f("uq_billing_credit_use_grant_id_idempotency_key"),
        ),
    )
    with op.batch_alter_table("billing_credit_use", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_billing_credit_use_customer_id_meter_idempotency_key"),
            ["customer_id", "meter", "idempotency_key"],
            unique=False,
        )

    with op.batch_alter_table("billing_credit_grant", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("reserved", sa.BigInteger(), server_default="0", nullable=False)
        )

    with op.batch_alter_table("billing_usage_counter", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("credited", sa.BigInteger(), server_default="0", nullable=False)
        )

    with op.batch_alter_table("billing_usage_event", schema=None) as batch_op:
        batch_op.add_column(sa.Column("credits", sa.BigInteger(), nullable=True))

    with op.batch_alter_table("billing_usage_reservation", schema=None) as batch_op:
        batch_op.add_column(sa.Column("grants", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("member", sa.String(length=255), nullable=True))
        batch_op.create_index(
            batch_op.f("ix_billing_usage_reservation_customer_id_meter_state_expires_at"),
            ["customer_id", "meter", "state", "expires_at"],
            unique=False,
        )

    with op.batch_alter_table("billing_usage_epoch", schema=None) as batch_op:
        batch_op.drop_constraint("pk_billing_usage_epoch", type_="primary")
        batch_op.create_primary_key(
            "pk_billing_usage_epoch", ["customer_id", "meter", "window", "epoch"]
        )


def downgrade() -> None:
    op.execute(
        "DELETE FROM billing_usage_epoch WHERE epoch < (SELECT max(e.epoch) "
        "FROM billing_usage_epoch AS e WHERE e.customer_id = billing_usage_epoch.customer_id "
        "AND e.meter = billing_usage_epoch.meter "
        'AND e."window" = billing_usage_epoch."window")'
    )

    with op.batch_alter_table("billing_usage_epoch", schema=None) as batch_op:
        batch_op.drop_constraint("pk_billing_usage_epoch", type_="primary")
        batch_op.create_primary_key("pk_billing_usage_epoch", ["customer_id", "meter", "window"])

    with op.batch_alter_table("billing_usage_reservation", schema=None) as batch_op:
        batch_op.drop_index(
            batch_op.f("ix_billing_usage_reservation_customer_id_meter_state_expires_at")
        )
        batch_op.drop_column("member")
        batch_op.drop_column("grants")

    with op.batch_alter_table("billing_usage_event", schema=None) as batch_op:
        batch_op.drop_column("credits")

    with op.batch_alter_table("billing_usage_counter", schema=None) as batch_op:
        batch_op.drop_column("credited")

    with op.batch_alter_table("billing_credit_grant", schema=None) as batch_op:
        batch_op.drop_column("reserved")

    with op.batch_alter_table("billing_credit_use", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_billing_credit_use_customer_id_meter_idempotency_key"))

    op.drop_table("billing_credit_use")

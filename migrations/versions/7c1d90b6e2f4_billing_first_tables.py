"""The first tables of Flask-Billing.

Revision ID: 7c1d90b6e2f4
Revises:

"""

import sqlalchemy as sa
from alembic import op

revision = "7c1d90b6e2f4"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "billing_customer",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("owner_type", sa.String(length=64), nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("stripe_id", sa.String(length=255), nullable=True),
        sa.Column("email", sa.String(length=512), nullable=True),
        sa.Column("name", sa.String(length=512), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("timezone", sa.String(length=64), nullable=True),
        sa.Column("locale", sa.String(length=32), nullable=True),
        sa.Column("address", sa.JSON(), nullable=True),
        sa.Column("default_payment_method", sa.String(length=255), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("applied_ticket", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_customer")),
        sa.UniqueConstraint(
            "owner_type", "owner_id", name=op.f("uq_billing_customer_owner_type_owner_id")
        ),
        sa.UniqueConstraint("stripe_id", name=op.f("uq_billing_customer_stripe_id")),
    )
    op.create_table(
        "billing_job_lease",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=128), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_result", sa.Text(), nullable=True),
        sa.Column("catalog", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_billing_job_lease")),
    )
    op.create_table(
        "billing_outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("dedupe_key", sa.String(length=255), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_outbox")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_billing_outbox_dedupe_key")),
    )
    op.create_index(
        op.f("ix_billing_outbox_state_kind_id"),
        "billing_outbox",
        ["state", "kind", "id"],
        unique=False,
    )
    op.create_table(
        "billing_price",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("stripe_id", sa.String(length=255), nullable=False),
        sa.Column("plan", sa.String(length=64), nullable=False),
        sa.Column("interval", sa.String(length=16), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_price")),
        sa.UniqueConstraint("stripe_id", name=op.f("uq_billing_price_stripe_id")),
    )
    op.create_index(
        op.f("ix_billing_price_plan_interval_currency"),
        "billing_price",
        ["plan", "interval", "currency"],
        unique=False,
    )
    op.create_table(
        "billing_sync_ticket",
        sa.Column("object_id", sa.String(length=255), nullable=False),
        sa.Column("ticket", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("object_id", name=op.f("pk_billing_sync_ticket")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "billing_webhook_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("stripe_id", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=128), nullable=False),
        sa.Column("object_id", sa.String(length=255), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("deliveries", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_webhook_event")),
        sa.UniqueConstraint("stripe_id", name=op.f("uq_billing_webhook_event_stripe_id")),
    )
    op.create_index(
        op.f("ix_billing_webhook_event_state_object_id"),
        "billing_webhook_event",
        ["state", "object_id"],
        unique=False,
        sqlite_where=sa.text("state <> 'handled'"),
        postgresql_where=sa.text("state <> 'handled'"),
    )
    op.create_table(
        "billing_checkout",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("plan", sa.String(length=64), nullable=False),
        sa.Column("interval", sa.String(length=16), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.String(length=255), nullable=False),
        sa.Column("metered", sa.JSON(), nullable=False),
        sa.Column("trial_days", sa.BigInteger(), nullable=False),
        sa.Column("success_url", sa.Text(), nullable=False),
        sa.Column("cancel_url", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.String(length=255), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["billing_customer.id"], name=op.f("fk_billing_checkout_customer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_checkout")),
        sa.UniqueConstraint("session_id", name=op.f("uq_billing_checkout_session_id")),
    )
    op.create_index(
        "uq_billing_checkout_open",
        "billing_checkout",
        ["customer_id"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "billing_credit_grant",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("meter", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("source_key", sa.String(length=128), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("actor", sa.String(length=255), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["billing_customer.id"],
            name=op.f("fk_billing_credit_grant_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_credit_grant")),
        sa.UniqueConstraint(
            "customer_id",
            "meter",
            "source_key",
            name=op.f("uq_billing_credit_grant_customer_id_meter_source_key"),
        ),
    )
    op.create_index(
        op.f("ix_billing_credit_grant_customer_id_meter_expires_at"),
        "billing_credit_grant",
        ["customer_id", "meter", "expires_at"],
        unique=False,
    )
    op.create_table(
        "billing_invoice",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("stripe_id", sa.String(length=255), nullable=False),
        sa.Column("subscription", sa.String(length=255), nullable=True),
        sa.Column("number", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("billing_reason", sa.String(length=64), nullable=True),
        sa.Column("description", sa.String(length=512), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("amount_due", sa.BigInteger(), nullable=False),
        sa.Column("amount_paid", sa.BigInteger(), nullable=False),
        sa.Column("amount_refunded", sa.BigInteger(), nullable=False),
        sa.Column("attempt_count", sa.BigInteger(), nullable=False),
        sa.Column("next_payment_attempt", sa.DateTime(timezone=True), nullable=True),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_ticket", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["billing_customer.id"], name=op.f("fk_billing_invoice_customer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_invoice")),
        sa.UniqueConstraint("stripe_id", name=op.f("uq_billing_invoice_stripe_id")),
    )
    op.create_index(
        op.f("ix_billing_invoice_customer_id_issued_at"),
        "billing_invoice",
        ["customer_id", "issued_at"],
        unique=False,
    )
    op.create_table(
        "billing_limit_override",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("meter", sa.String(length=64), nullable=False),
        sa.Column("window", sa.String(length=16), nullable=True),
        sa.Column("limit", sa.BigInteger(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["billing_customer.id"],
            name=op.f("fk_billing_limit_override_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_limit_override")),
    )
    op.create_index(
        op.f("ix_billing_limit_override_customer_id_meter"),
        "billing_limit_override",
        ["customer_id", "meter"],
        unique=False,
    )
    op.create_table(
        "billing_meter_export",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("identifier", sa.String(length=255), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("meter", sa.String(length=64), nullable=False),
        sa.Column("bucket", sa.String(length=96), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["billing_customer.id"],
            name=op.f("fk_billing_meter_export_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_meter_export")),
        sa.UniqueConstraint("identifier", name=op.f("uq_billing_meter_export_identifier")),
    )
    op.create_index(
        op.f("ix_billing_meter_export_customer_id_meter_bucket"),
        "billing_meter_export",
        ["customer_id", "meter", "bucket"],
        unique=False,
    )
    op.create_index(
        op.f("ix_billing_meter_export_meter_created_at"),
        "billing_meter_export",
        ["meter", "created_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_billing_meter_export_state_created_at"),
        "billing_meter_export",
        ["state", "created_at"],
        unique=False,
    )
    op.create_table(
        "billing_payment_method",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("stripe_id", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("brand", sa.String(length=32), nullable=True),
        sa.Column("last4", sa.String(length=8), nullable=True),
        sa.Column("exp_month", sa.BigInteger(), nullable=True),
        sa.Column("exp_year", sa.BigInteger(), nullable=True),
        sa.Column("detached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_ticket", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["billing_customer.id"],
            name=op.f("fk_billing_payment_method_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_payment_method")),
        sa.UniqueConstraint("stripe_id", name=op.f("uq_billing_payment_method_stripe_id")),
    )
    op.create_index(
        op.f("ix_billing_payment_method_customer_id"),
        "billing_payment_method",
        ["customer_id"],
        unique=False,
    )
    op.create_table(
        "billing_subscription",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("stripe_id", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("plan", sa.String(length=64), nullable=True),
        sa.Column("last_plan", sa.String(length=64), nullable=True),
        sa.Column("interval", sa.String(length=16), nullable=True),
        sa.Column("price", sa.String(length=255), nullable=True),
        sa.Column("item_id", sa.String(length=255), nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit_amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("current_period_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("current_period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("anchor", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trial_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trial_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("canceled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("past_due_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pause", sa.String(length=32), nullable=True),
        sa.Column("pause_resumes_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discount", sa.JSON(), nullable=True),
        sa.Column("schedule_id", sa.String(length=255), nullable=True),
        sa.Column("latest_invoice", sa.String(length=255), nullable=True),
        sa.Column("default_payment_method", sa.String(length=255), nullable=True),
        sa.Column("snapshot", sa.JSON(), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_ticket", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["billing_customer.id"],
            name=op.f("fk_billing_subscription_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_subscription")),
        sa.UniqueConstraint("stripe_id", name=op.f("uq_billing_subscription_stripe_id")),
    )
    op.create_index(
        op.f("ix_billing_subscription_customer_id_status"),
        "billing_subscription",
        ["customer_id", "status"],
        unique=False,
    )
    op.create_table(
        "billing_usage_counter",
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("meter", sa.String(length=64), nullable=False),
        sa.Column("bucket", sa.String(length=96), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("plan", sa.String(length=64), nullable=True),
        sa.Column("limit", sa.BigInteger(), nullable=True),
        sa.Column("billed_from", sa.BigInteger(), nullable=True),
        sa.Column("stripe_meter_id", sa.String(length=255), nullable=True),
        sa.Column("reported", sa.BigInteger(), nullable=False),
        sa.Column("windows", sa.String(length=64), nullable=True),
        sa.Column("generation", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["billing_customer.id"],
            name=op.f("fk_billing_usage_counter_customer_id"),
        ),
        sa.PrimaryKeyConstraint(
            "customer_id", "meter", "bucket", name=op.f("pk_billing_usage_counter")
        ),
    )
    op.create_table(
        "billing_usage_epoch",
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("meter", sa.String(length=64), nullable=False),
        sa.Column("window", sa.String(length=16), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["billing_customer.id"],
            name=op.f("fk_billing_usage_epoch_customer_id"),
        ),
        sa.PrimaryKeyConstraint(
            "customer_id", "meter", "window", name=op.f("pk_billing_usage_epoch")
        ),
    )
    op.create_table(
        "billing_usage_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("meter", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("billing_period", sa.String(length=32), nullable=True),
        sa.Column("one_shot", sa.String(length=16), nullable=True),
        sa.Column("member", sa.String(length=255), nullable=True),
        sa.Column("provider", sa.String(length=64), nullable=True),
        sa.Column("model", sa.String(length=128), nullable=True),
        sa.Column("endpoint", sa.String(length=255), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("run", sa.String(length=255), nullable=True),
        sa.Column("phase", sa.String(length=64), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=True),
        sa.Column("latency_ms", sa.BigInteger(), nullable=True),
        sa.Column("cost_prompt", sa.BigInteger(), nullable=True),
        sa.Column("cost_completion", sa.BigInteger(), nullable=True),
        sa.Column("cost_cached", sa.BigInteger(), nullable=True),
        sa.Column("cost_total", sa.BigInteger(), nullable=True),
        sa.Column("stripe_reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("extra", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["billing_customer.id"],
            name=op.f("fk_billing_usage_event_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_usage_event")),
        sa.UniqueConstraint(
            "customer_id",
            "meter",
            "idempotency_key",
            name=op.f("uq_billing_usage_event_customer_id_meter_idempotency_key"),
        ),
    )
    op.create_index(
        op.f("ix_billing_usage_event_customer_id_meter_occurred_at"),
        "billing_usage_event",
        ["customer_id", "meter", "occurred_at"],
        unique=False,
    )
    op.create_table(
        "billing_usage_notice",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("meter", sa.String(length=64), nullable=False),
        sa.Column("bucket", sa.String(length=96), nullable=False),
        sa.Column("percent", sa.BigInteger(), nullable=False),
        sa.Column("limit", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["billing_customer.id"],
            name=op.f("fk_billing_usage_notice_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_usage_notice")),
        sa.UniqueConstraint(
            "customer_id",
            "meter",
            "bucket",
            "percent",
            "limit",
            name=op.f("uq_billing_usage_notice_customer_id_meter_bucket_percent_limit"),
        ),
    )
    op.create_table(
        "billing_usage_reservation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("meter", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("buckets", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("settled", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["billing_customer.id"],
            name=op.f("fk_billing_usage_reservation_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_usage_reservation")),
        sa.UniqueConstraint(
            "customer_id",
            "meter",
            "idempotency_key",
            name=op.f("uq_billing_usage_reservation_customer_id_meter_idempotency_key"),
        ),
    )
    op.create_index(
        op.f("ix_billing_usage_reservation_state_expires_at"),
        "billing_usage_reservation",
        ["state", "expires_at"],
        unique=False,
    )
    op.create_table(
        "billing_usage_rollup",
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("meter", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("member", sa.String(length=255), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_total", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["billing_customer.id"],
            name=op.f("fk_billing_usage_rollup_customer_id"),
        ),
        sa.PrimaryKeyConstraint(
            "customer_id",
            "meter",
            "day",
            "provider",
            "model",
            "endpoint",
            "member",
            name=op.f("pk_billing_usage_rollup"),
        ),
    )
    op.create_table(
        "billing_cancellation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "subscription_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("plan", sa.String(length=64), nullable=True),
        sa.Column("interval", sa.String(length=16), nullable=True),
        sa.Column("monthly_amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("variant", sa.String(length=64), nullable=True),
        sa.Column("offers_shown", sa.JSON(), nullable=True),
        sa.Column("offer_accepted", sa.String(length=64), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column("judged_30", sa.String(length=16), nullable=True),
        sa.Column("judged_90", sa.String(length=16), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["billing_customer.id"],
            name=op.f("fk_billing_cancellation_customer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["billing_subscription.id"],
            name=op.f("fk_billing_cancellation_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_cancellation")),
    )
    op.create_index(
        op.f("ix_billing_cancellation_customer_id_started_at"),
        "billing_cancellation",
        ["customer_id", "started_at"],
        unique=False,
    )
    op.create_table(
        "billing_subscription_change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "subscription_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("from_plan", sa.String(length=64), nullable=True),
        sa.Column("to_plan", sa.String(length=64), nullable=True),
        sa.Column("from_interval", sa.String(length=16), nullable=True),
        sa.Column("to_interval", sa.String(length=16), nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=True),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("quote_id", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("feedback", sa.Text(), nullable=True),
        sa.Column("actor", sa.String(length=255), nullable=True),
        sa.Column("request", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["billing_customer.id"],
            name=op.f("fk_billing_subscription_change_customer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["billing_subscription.id"],
            name=op.f("fk_billing_subscription_change_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_subscription_change")),
        sa.UniqueConstraint("quote_id", name=op.f("uq_billing_subscription_change_quote_id")),
    )
    op.create_index(
        op.f("ix_billing_subscription_change_customer_id_created_at"),
        "billing_subscription_change",
        ["customer_id", "created_at"],
        unique=False,
    )
    op.create_index(
        "uq_billing_subscription_change_pending",
        "billing_subscription_change",
        ["subscription_id"],
        unique=True,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "billing_offer_redemption",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "cancellation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("offer", sa.String(length=64), nullable=False),
        sa.Column("period", sa.String(length=32), nullable=False),
        sa.Column("coupon", sa.String(length=255), nullable=True),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["cancellation_id"],
            ["billing_cancellation.id"],
            name=op.f("fk_billing_offer_redemption_cancellation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["billing_customer.id"],
            name=op.f("fk_billing_offer_redemption_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_offer_redemption")),
        sa.UniqueConstraint(
            "customer_id",
            "offer",
            "period",
            name=op.f("uq_billing_offer_redemption_customer_id_offer_period"),
        ),
    )


def downgrade() -> None:
    op.drop_table("billing_offer_redemption")
    op.drop_table("billing_subscription_change")
    op.drop_table("billing_cancellation")
    op.drop_table("billing_usage_rollup")
    op.drop_table("billing_usage_reservation")
    op.drop_table("billing_usage_notice")
    op.drop_table("billing_usage_event")
    op.drop_table("billing_usage_epoch")
    op.drop_table("billing_usage_counter")
    op.drop_table("billing_subscription")
    op.drop_table("billing_payment_method")
    op.drop_table("billing_meter_export")
    op.drop_table("billing_limit_override")
    op.drop_table("billing_invoice")
    op.drop_table("billing_credit_grant")
    op.drop_table("billing_checkout")
    op.drop_table("billing_webhook_event")
    op.drop_table("billing_sync_ticket")
    op.drop_table("billing_price")
    op.drop_table("billing_outbox")
    op.drop_table("billing_job_lease")
    op.drop_table("billing_customer")

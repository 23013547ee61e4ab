"""The billing engine: periods, prorations, invoices, payments and the subscription's life."""

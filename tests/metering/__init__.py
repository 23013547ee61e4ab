"""Metering: buckets, decisions, concurrency, refusals."""

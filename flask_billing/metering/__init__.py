"""Meters, limits and the usage booked against them."""
